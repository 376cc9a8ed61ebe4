// The routes of approvals: what waits, with its evidence; the decision of a second person; the red flags.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { approvalSchema, approvalStates } from '../../schemas/approvals/approval.js'
import { approvalKinds } from '../../schemas/approvals/approval-kind.js'
import { Problem } from '../gateway/problem.js'
import {
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  jsonBody,
  needs,
  readJson,
  readQuery,
} from '../gateway/route.js'
import type { ApprovalDesk, Decided } from './approval-desk.js'
import { type ApprovalSettings, redFlags } from './settings.js'

const approvalsTag: ApiTag = {
  name: 'Approvals',
  description: 'What the rules of the configuration hold back until a second person releases it.',
}
const read = needs('read', 'approve')
const approve = needs('approve')

const approvalExample = {
  approval_id: 'ap_0d3182670839c2950ac3982af2fe161e',
  kind: 'billing_batch',
  object_id: 'batch_0d3182670839c2950ac3982af2fe161e',
  state: 'waiting',
  rules: [{ rule: 'large_batches', version: 1, detail: '60000 EUR is at least 50000' }],
  facts: {
    entity_id: 'de',
    record: null,
    amounts: [{ currency: 'EUR', amount: '60000' }],
    customers: [],
    previous: [{ currency: 'EUR', amounts: ['48000'] }],
    credits: [],
    without_source: [],
    flags: [],
  },
  evidence: { billing_run_id: 'br_0d3182670839c2950ac3982af2fe161e', line_count: 12 },
  requested_by: { key_id: '0123456789ab', name: 'billing team' },
  requested_at: '2026-02-01T06:00:00.000Z',
  decided_by: null,
  decided_at: null,
  reason: null,
} satisfies z.input<typeof approvalSchema>

const approvalParams = z.object({
  id: z
    .string()
    .describe('An approval_id')
    .meta({ examples: [approvalExample.approval_id] }),
})
const listQuery = z.object({
  state: z.enum(approvalStates).optional().describe('Only those in this state'),
  kind: z.enum(approvalKinds).optional().describe('Only those of this kind'),
})
const approveBody = z
  .strictObject({ reason: z.string().trim().max(2_000).optional() })
  .meta({ id: 'ApprovalReason' })
const rejectBody = z
  .strictObject({ reason: z.string().trim().min(1).max(2_000).describe('Why it must not go out') })
  .meta({ id: 'RejectionReason' })

const flagSchema = z
  .object({
    flag: z.enum(redFlags),
    version: z.int().min(1),
    entity_id: z.string(),
    customer_id: z.string(),
    object_kind: z.string(),
    object_id: z.string(),
    detail: z.string(),
    recorded_at: z.string(),
    mode: z.enum(['notice', 'hold']).describe('`hold`: batches of the customer wait for approval'),
  })
  .meta({ id: 'RedFlag' })

export interface ApprovalRoutesParts {
  readonly desk: ApprovalDesk
  readonly settings: ApprovalSettings
  readonly clickhouse: ClickHouseClient
}

export function approvalRoutes(parts: ApprovalRoutesParts): readonly ApiRoute[] {
  const { desk } = parts
  return [listRoute(desk), flagsRoute(parts), getRoute(desk), approveRoute(desk), rejectRoute(desk)]
}

function listRoute(desk: ApprovalDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/approvals',
    access: read,
    operationId: 'listApprovals',
    tag: approvalsTag,
    summary: 'What waits for a second person, and what was decided',
    description: 'The newest first, each with the rules that hold it and its evidence.',
    query: listQuery,
    responses: {
      200: {
        description: 'The approvals.',
        schema: z.object({ approvals: z.array(approvalSchema) }),
        example: { approvals: [approvalExample] },
      },
    },
    async handle(call): Promise<ApiReply> {
      const { state, kind } = readQuery(call, listQuery)
      const all = await desk.list()
      const approvals = all.filter(
        one => (state === undefined || one.state === state) && (kind === undefined || one.kind === kind),
      )
      return { status: 200, body: { approvals } }
    },
  }
}

function flagsRoute({ settings, clickhouse }: ApprovalRoutesParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/red-flags',
    access: read,
    operationId: 'listRedFlags',
    tag: approvalsTag,
    summary: 'Patterns that ought to be looked at',
    description:
      'Credits that do not fit what was billed, sources that use an id again for other content, charges without an event. ' +
      'The newest first, at most 1,000. `approvals.red_flags` says which are off, and which hold billing batches.',
    responses: {
      200: {
        description: 'The flags.',
        schema: z.object({ red_flags: z.array(flagSchema) }),
        example: {
          red_flags: [
            {
              flag: 'repeated_collisions',
              version: 1,
              entity_id: '',
              customer_id: 'acme',
              object_kind: 'source',
              object_id: 'crm',
              detail: '9 other contents under known ids came from crm',
              recorded_at: '2026-02-01 06:00:00.000',
              mode: 'notice',
            },
          ],
        },
      },
    },
    async handle(): Promise<ApiReply> {
      const modes = settings.red_flags
      const flags = redFlags.filter(flag => modes[flag] !== 'off')
      const query = `SELECT * FROM red_flags WHERE flag IN ({flags: Array(String)})
        ORDER BY recorded_at DESC, flag, object_id LIMIT 1000`
      const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params: { flags } })
      const rows = await result.json<{ readonly flag: (typeof redFlags)[number] }>()
      return { status: 200, body: { red_flags: rows.map(row => ({ ...row, mode: modes[row.flag] })) } }
    },
  }
}

function getRoute(desk: ApprovalDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/approvals/{id}',
    access: read,
    operationId: 'getApproval',
    tag: approvalsTag,
    summary: 'One approval with its evidence',
    description:
      'The rules that hold it with their versions, the facts that they looked at, and the evidence.',
    params: approvalParams,
    responses: { 200: { description: 'The approval.', schema: approvalSchema, example: approvalExample } },
    problems: ['not_found'],
    async handle(call): Promise<ApiReply> {
      const found = await desk.get(call.params['id'] ?? '')
      if (found === undefined) throw noSuchApproval()
      return { status: 200, body: found }
    },
  }
}

function approveRoute(desk: ApprovalDesk): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/approvals/{id}/approve',
    audits: ['approval.approved'],
    access: approve,
    operationId: 'approve',
    tag: approvalsTag,
    summary: 'Release what is held',
    description:
      'It goes out, once. Whoever asked for it cannot approve it. Approving it again with the same key changes nothing.',
    params: approvalParams,
    body: jsonBody(approveBody, { reason: 'checked with the customer' }),
    responses: { 200: { description: 'The approval.', schema: approvalSchema, example: approvalExample } },
    problems: ['invalid_request', 'not_found', 'approval_needs_keys', 'own_request', 'approval_decided'],
    async handle(call): Promise<ApiReply> {
      const { reason } = await readJson(call, approveBody)
      return replyOf(await desk.decide(call.params['id'] ?? '', 'approved', call.caller, reason))
    },
  }
}

function rejectRoute(desk: ApprovalDesk): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/approvals/{id}/reject',
    audits: ['approval.rejected'],
    access: approve,
    operationId: 'reject',
    tag: approvalsTag,
    summary: 'Say that it must not go out',
    description: 'For ever, and with a reason. Whoever asked for it may reject it.',
    params: approvalParams,
    body: jsonBody(rejectBody, { reason: 'the price is wrong' }),
    responses: { 200: { description: 'The approval.', schema: approvalSchema, example: approvalExample } },
    problems: ['invalid_request', 'not_found', 'approval_needs_keys', 'approval_decided'],
    async handle(call): Promise<ApiReply> {
      const { reason } = await readJson(call, rejectBody)
      return replyOf(await desk.decide(call.params['id'] ?? '', 'rejected', call.caller, reason))
    },
  }
}

function replyOf(decided: Decided): ApiReply {
  switch (decided.kind) {
    case 'ok':
      return { status: 200, body: decided.approval }
    case 'not_found':
      throw noSuchApproval()
    case 'needs_keys':
      throw new Problem(
        'approval_needs_keys',
        'Approving needs an API key, or nobody could be told from whoever asked: make keys (weir keys create --scope approve).',
      )
    case 'own_request':
      throw new Problem(
        'own_request',
        'This key asked for it, or belongs to whoever asked (rotated, or made by them since): the key of a second person has to approve it.',
      )
    case 'decided': {
      const { state, decided_by: by, decided_at } = decided.approval
      throw new Problem(
        'approval_decided',
        `It was ${state} at ${decided_at} by ${by?.name} (${by?.key_id}).`,
      )
    }
    default:
      return decided satisfies never
  }
}

function noSuchApproval(): Problem {
  return new Problem('not_found', 'There is no such approval.')
}
