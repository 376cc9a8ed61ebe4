// The billing-run routes of contract section 7. They translate HTTP to the interface `BillingApi`, which
// billing-runs.ts implements.

import { z } from 'zod'
import { jsonType } from '../../schemas/event/media-types.js'
import { instantFault, instantFaultText, parseInstant } from '../../schemas/time.js'
import { Problem } from '../gateway/problem.js'
import type { ProblemCode } from '../gateway/problem-codes.js'
import { type ApiCall, type ApiReply, type ApiRoute, needs, readJson, readQuery } from '../gateway/route.js'

export interface BillingRunRequest {
  readonly cutoffNs: bigint
  /** Absent: all entities. */
  readonly entityId?: string
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
}

/** A sealed batch as JSON, in the wire form of contract section 7. */
export interface BillingBatchView {
  readonly batch_id: string
}

export interface BillingBatchPage {
  readonly batches: readonly BillingBatchView[]
  /** Give it as `after` for the next page; null when this page is the last for now. */
  readonly next_after: string | null
}

export interface BillingApi {
  /** `created: false`: the run existed already (the same request again). */
  create(
    request: BillingRunRequest,
  ): Promise<BillingAnswer<{ readonly run: BillingRunView; readonly created: boolean }>>
  get(billingRunId: string): Promise<BillingAnswer<BillingRunView>>
  list(): Promise<readonly BillingRunView[]>
  /** Billing batches in order; with `after`, a `batch_id`, those that follow that batch. */
  batches(billingRunId: string, after?: string): Promise<BillingAnswer<BillingBatchPage>>
  /** Idempotent. The value is shown to the caller. */
  ack(billingRunId: string, batchId: string): Promise<BillingAnswer<Readonly<Record<string, unknown>>>>
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
    preview: z.boolean().optional().describe('Say what the run would bill, and bill nothing'),
  })
  .meta({ id: 'BillingRunRequest' })

const runSchema = z
  .looseObject({
    billing_run_id: z.string(),
    cutoff: z.iso.datetime({ offset: true }),
    entity_id: z.string().nullable(),
    preview: z.boolean().optional(),
    status: z.string(),
  })
  .meta({ id: 'BillingRun' })

const batchSchema = z.looseObject({ batch_id: z.string() }).meta({
  id: 'BillingBatch',
  description: 'batch_id, billing_run_id, entity_id, currency, number, of, lines, control',
})
const pageSchema = z
  .object({ batches: z.array(batchSchema), next_after: z.string().nullable() })
  .meta({ id: 'BillingBatchPage' })

const runParams = z.object({ id: z.string() })
const batchParams = z.object({ id: z.string(), batch_id: z.string() })
const batchesQuery = z.object({ after: z.string().min(1).max(256).optional().describe('A batch_id') })
const idempotencyHeader = z.object({ 'Idempotency-Key': z.string().min(1).max(255).optional() })

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
    access: billingScope,
    operationId: 'createBillingRun',
    summary: 'Seal the charges that are due by the cutoff, and adjust what was billed and has changed',
    headers: idempotencyHeader,
    body: { contentTypes: [jsonType], schema: createBody },
    responses: {
      201: { description: 'The run was created', schema: runSchema },
      200: { description: 'The same request came before; this is its run', schema: runSchema },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const idempotencyKey = readIdempotencyKey(call)
      const body = await readJson(call, createBody)
      const answer = await billing.create({
        cutoffNs: parseInstant(body.cutoff)!, // the schema has checked that it parses
        ...(body.entity_id == null ? {} : { entityId: body.entity_id }),
        ...(body.preview === undefined ? {} : { preview: body.preview }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      })
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
    summary: 'All billing runs',
    responses: {
      200: { description: 'The runs', schema: z.object({ billing_runs: z.array(runSchema) }) },
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
    summary: 'One billing run: its status and totals',
    params: runParams,
    responses: { 200: { description: 'The run', schema: runSchema } },
    handle: async call => ({ status: 200, body: valueOrProblem(await billing.get(call.params['id'] ?? '')) }),
  }
}

function batchesRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/billing-runs/{id}/batches',
    access: read,
    operationId: 'listBillingBatches',
    summary: 'The sealed batches of a run, a page at a time',
    params: runParams,
    query: batchesQuery,
    responses: {
      200: { description: 'The batches that follow `after`', schema: pageSchema },
      404: { description: 'There is no such run, or it has no batch `after`' },
      410: {
        description:
          '`preview_expired`: the batches of a preview are kept for a day. `batch_purged`: `BILLING` no longer holds one',
      },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const { after } = readQuery(call, batchesQuery)
      return { status: 200, body: valueOrProblem(await billing.batches(call.params['id'] ?? '', after)) }
    },
  }
}

function ackRoute(billing: BillingApi): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/billing-runs/{id}/batches/{batch_id}/ack',
    access: billingScope,
    operationId: 'acknowledgeBillingBatch',
    summary: 'Say that a batch is taken; saying it again changes nothing',
    params: batchParams,
    responses: { 200: { description: 'Acknowledged', schema: z.looseObject({}) } },
    async handle(call: ApiCall): Promise<ApiReply> {
      const answer = await billing.ack(call.params['id'] ?? '', call.params['batch_id'] ?? '')
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
