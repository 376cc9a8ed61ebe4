// The billing-run routes of contract section 7. They translate HTTP to the interface `BillingApi`, which
// billing-runs.ts implements.

import { z } from 'zod'
import type { Acknowledgement } from '../../schemas/billing/acknowledgement.js'
import type { HeldBack } from '../../schemas/billing/held-back.js'
import { instantFault, instantFaultText, parseInstant } from '../../schemas/time.js'
import { Problem } from '../gateway/problem.js'
import type { ProblemCode } from '../gateway/problem-codes.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  jsonBody,
  needs,
  readJson,
  readQuery,
} from '../gateway/route.js'
import type { Caller } from '../gateway/scopes.js'
import {
  acknowledgedExample,
  acknowledgedSchema,
  batchPageExample,
  batchPageSchema,
  runExample,
  runSchema,
} from './run-shapes.js'

export interface BillingRunRequest {
  readonly cutoffNs: bigint
  /** Absent: all entities. */
  readonly entityId?: string
  /** Absent: all customers. */
  readonly customerId?: string
  /** Show what the run would bill, and bill nothing. */
  readonly preview?: boolean
  /** The same key and request give the same run; the same key and another request are a conflict. */
  readonly idempotencyKey?: string
}

export type BillingAnswer<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | {
      readonly kind: 'refused'
      readonly code: ProblemCode
      readonly detail: string
      readonly pointer?: string
    }

/** A run as JSON: at least these members; the implementation may add others. */
export interface BillingRunView {
  readonly billing_run_id: string
  readonly cutoff: string
  readonly entity_id: string | null
  readonly status: string
  readonly held_back?: readonly HeldBack[]
}

/** A sealed batch as JSON, in the wire form of contract section 7, and whether it was taken. */
export interface BillingBatchView {
  readonly batch_id: string
  readonly acknowledgement?: Acknowledgement | null
}

export interface BillingBatchPage {
  readonly batches: readonly BillingBatchView[]
  /** Give it as `after` for the next page; null when this page is the last for now. */
  readonly next_after: string | null
  /** Why the page ends before a batch that is sealed; null: nothing is held. */
  readonly held: { readonly code: string; readonly detail: string; readonly until: string | null } | null
  /** Batches of the run that wait for a second person, or that person has rejected: they are on no page. */
  readonly held_batches: readonly HeldBatchView[]
}

export interface HeldBatchView {
  readonly batch_id: string
  readonly entity_id: string
  readonly currency: string
  readonly line_count: number
  readonly amount_rounded_total: string
  readonly approval_id: string
  readonly state: 'waiting' | 'rejected'
}

export interface BillingApi {
  /** `created: false`: the run existed already (the same request again). */
  create(
    request: BillingRunRequest,
    caller: Caller,
  ): Promise<BillingAnswer<{ readonly run: BillingRunView; readonly created: boolean }>>
  get(billingRunId: string): Promise<BillingAnswer<BillingRunView>>
  list(): Promise<readonly BillingRunView[]>
  /** Billing batches in order; with `after`, a `batch_id`, those that follow that batch. */
  batches(billingRunId: string, after?: string, limit?: number): Promise<BillingAnswer<BillingBatchPage>>
  /** Idempotent; the first one is kept. The value is shown to the caller. */
  ack(
    billingRunId: string,
    batchId: string,
    caller: Caller,
  ): Promise<BillingAnswer<Readonly<Record<string, unknown>>>>
}

const createBody = z
  .strictObject({
    cutoff: z
      .string()
      .refine(text => parseInstant(text) !== undefined, {
        error: ({ input }) => `The cutoff ${instantFaultText(instantFault(String(input)))}.`,
      })
      .meta({
        format: 'date-time',
        description: 'What is due at or before it, and not yet billed, is sealed',
      }),
    entity_id: z.string().min(1).max(256).nullish().describe('Of one entity alone; absent: all'),
    customer_id: z.string().min(1).max(256).nullish().describe('Of one customer alone; absent: all'),
    preview: z.boolean().optional().describe('Say what the run would bill, and bill nothing'),
  })
  .meta({ id: 'BillingRunRequest' })

export const billingTag: ApiTag = {
  name: 'Billing runs',
  description: 'Sealing the charges that are due into batches, and taking the batches.',
}
const runId = z
  .string()
  .describe('A billing_run_id')
  .meta({ examples: [runExample.billing_run_id] })
const batchId = z.string().meta({ examples: [acknowledgedExample.batch_id] })
const runParams = z.object({ id: runId })
const batchParams = z.object({ id: runId, batch_id: batchId.describe('A batch_id of the run') })
const batchesQuery = z.object({
  after: z.string().min(1).max(256).optional().describe('A batch_id: the page begins behind it'),
  limit: z.coerce.number().int().min(1).max(20).default(20).describe('The most batches of a page'),
})
const idempotencyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe('The same key and body give the same run, however often they are sent'),
})

const location = { location: 'The path of the run.' }
const read = needs('read', 'billing')
const billingScope = needs('billing')

export function billingRunRoutes(billing: BillingApi): readonly ApiRoute[] {
  return [
    createRoute(billing),
    listRoute(billing),
    getRoute(billing),
    batchesRoute(billing),
    ackRoute(billing),
  ]
}

function createRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/billing-runs',
    audits: ['billing_run.created'],
    access: billingScope,
    operationId: 'createBillingRun',
    tag: billingTag,
    summary: 'Bill what is due',
    description:
      'Seals the charges that are due by the cutoff and not billed yet, and adjusts what was billed and has changed since. ' +
      'A run of all entities answers at once and goes on by itself; a run of one entity, and a preview, wait up to 10 s.',
    headers: idempotencyHeader,
    body: jsonBody(createBody, { cutoff: runExample.cutoff, entity_id: 'de' }),
    responses: {
      201: { description: 'The run was created.', schema: runSchema, example: runExample, headers: location },
      200: {
        description: 'The same request came before; this is its run.',
        schema: runSchema,
        example: runExample,
        headers: location,
      },
    },
    problems: ['invalid_request', 'cutoff_in_future', 'unknown_entity', 'idempotency_key_reused', 'frozen'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const idempotencyKey = readIdempotencyKey(call)
      const body = await readJson(call, createBody)
      const request = {
        cutoffNs: parseInstant(body.cutoff)!, // the schema has checked that it parses
        ...(body.entity_id == null ? {} : { entityId: body.entity_id }),
        ...(body.customer_id == null ? {} : { customerId: body.customer_id }),
        ...(body.preview === undefined ? {} : { preview: body.preview }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      }
      const answer = await billing.create(request, call.caller)
      const { run, created } = valueOrProblem(answer)
      const location = `/v1/billing-runs/${encodeURIComponent(run.billing_run_id)}`
      return { status: created ? 201 : 200, body: run, headers: { location } }
    },
  }
}

function listRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/billing-runs',
    access: read,
    operationId: 'listBillingRuns',
    tag: billingTag,
    summary: 'All billing runs',
    description: 'In the order in which they were asked for, previews too.',
    responses: {
      200: {
        description: 'The runs.',
        schema: z.object({ billing_runs: z.array(runSchema) }),
        example: { billing_runs: [runExample] },
      },
    },
    handle: async () => ({ status: 200, body: { billing_runs: await billing.list() } }),
  }
}

function getRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/billing-runs/{id}',
    access: read,
    operationId: 'getBillingRun',
    tag: billingTag,
    summary: 'One billing run',
    description: 'Its status, what it waits for, and its totals by entity and currency.',
    params: runParams,
    responses: { 200: { description: 'The run.', schema: runSchema, example: runExample } },
    problems: ['not_found'],
    handle: async call => ({ status: 200, body: valueOrProblem(await billing.get(call.params['id'] ?? '')) }),
  }
}

function batchesRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/billing-runs/{id}/batches',
    access: read,
    operationId: 'listBillingBatches',
    tag: billingTag,
    summary: 'The batches of a run',
    description:
      'Sealed batches, in order, a page at a time: ask again with `after` set to `next_after` until that is null. Each says ' +
      'whether it is acknowledged, when and by whom. The page ends before the first batch that flow control holds back; `held` ' +
      'says why and until when, and the batch is there once that ends: ask again from the last batch on.',
    params: runParams,
    query: batchesQuery,
    responses: {
      200: {
        description: 'The batches that follow `after`.',
        schema: batchPageSchema,
        example: batchPageExample,
      },
    },
    problems: ['not_found', 'preview_expired', 'batch_purged'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { after, limit } = readQuery(call, batchesQuery)
      const page = await billing.batches(call.params['id'] ?? '', after, limit)
      return { status: 200, body: valueOrProblem(page) }
    },
  }
}

function ackRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/billing-runs/{id}/batches/{batch_id}/ack',
    audits: ['billing_batch.acknowledged'],
    access: billingScope,
    operationId: 'acknowledgeBillingBatch',
    tag: billingTag,
    summary: 'Acknowledge a batch',
    description:
      'Says that the batch is taken. Saying it again changes nothing, and answers the same: the first one is kept, with its ' +
      'instant and its key.',
    params: batchParams,
    responses: {
      200: { description: 'Acknowledged.', schema: acknowledgedSchema, example: acknowledgedExample },
    },
    problems: ['not_found', 'preview'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const { id = '', batch_id: batchId = '' } = call.params
      const answer = await billing.ack(id, batchId, call.caller)
      return { status: 200, body: valueOrProblem(answer) }
    },
  }
}

function readIdempotencyKey(call: ApiCall): string | undefined {
  const key = call.headers['idempotency-key']
  if (key === undefined) return undefined
  if (typeof key === 'string' && key.length >= 1 && key.length <= 255) return key
  throw new Problem('invalid_request', 'The Idempotency-Key is one text of 1 to 255 characters.')
}

function valueOrProblem<T>(answer: BillingAnswer<T>): T {
  switch (answer.kind) {
    case 'ok':
      return answer.value
    case 'refused': {
      const { code, detail, pointer } = answer
      const errors = pointer === undefined ? undefined : [{ pointer, code, detail }]
      throw new Problem(code, detail, errors === undefined ? {} : { errors })
    }
    default:
      return answer satisfies never
  }
}
