// The routes that ask for something of deliveries: try again now, do not wait for the record that it comes after, and settle an
// unclear one by what a person found at the receiver.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import { type ApiCall, type ApiReply, type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import {
  asideOf,
  ask,
  maxAsked,
  notUnclear,
  refusalOf,
  requireConnections,
  toRetry,
} from './ask-deliveries.js'
import { filterSchema } from './delivery-filter.js'
import { deliveriesTag, idParams, type ListParts, oneDelivery } from './list-routes.js'

export type AskParts = ListParts & Pick<FeatureParts, 'audit'>

const reason = z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail')
const reasonBody = z.strictObject({ reason }).meta({ id: 'DeliveryRequest' })
const settleBody = z
  .union([
    z.strictObject({
      found: z.literal('there'),
      external_id: z.string().trim().min(1).max(500).describe("The receiver's own id, as you found it"),
      reason,
    }),
    z.strictObject({ found: z.literal('absent'), reason }),
  ])
  .meta({ id: 'DeliverySettlement' })
const retryBody = z
  .strictObject({
    filter: filterSchema.describe('Which; refused ones unless it names states'),
    reason,
    preview: z.boolean().optional().describe('Say how many, and ask for nothing'),
    expected_count: z
      .int()
      .min(0)
      .optional()
      .describe('How many there were when you looked: another number is refused'),
  })
  .meta({ id: 'DeliveriesRetry' })
const askedSchema = z.object({ preview: z.boolean(), count: z.int() }).meta({ id: 'DeliveriesAsked' })
const answer = {
  description: 'It is kept, and done by whichever process holds the connection, now or when it starts.',
  schema: askedSchema,
  example: { preview: false, count: 1 },
}

export function askRoutes(parts: AskParts, nowMs: () => number): readonly ApiRoute[] {
  return [
    retryRoute(parts, nowMs),
    releaseRoute(parts, nowMs),
    settleRoute(parts, nowMs),
    retryManyRoute(parts, nowMs),
  ]
}

function retryRoute(parts: AskParts, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/deliveries/{id}/retry',
    audits: ['delivery.retried'],
    access: needs('operate'),
    operationId: 'retryDelivery',
    tag: deliveriesTag,
    summary: 'Try a delivery again now',
    description:
      'A refused one is taken up again with a new count of attempts, one that waits is sent at once, an unclear one is ' +
      'looked up at once, a held one is asked for again. What the receiver has is never sent again.',
    params: idParams,
    body: jsonBody(reasonBody, { reason: 'the period is open again' }),
    responses: { 202: answer },
    problems: [
      'invalid_request',
      'not_found',
      'delivery_settled',
      'delivery_discarded',
      'connection_removed',
    ],
    handle: call => askOne(parts, call, 'retry', nowMs()),
  }
}

function releaseRoute(parts: AskParts, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/deliveries/{id}/release',
    audits: ['delivery.released'],
    access: needs('operate'),
    operationId: 'releaseDelivery',
    tag: deliveriesTag,
    summary: 'Let a delivery go out of order',
    description:
      'It no longer waits for the record that it corrects or releases. What flow control or approvals hold is released there.',
    params: idParams,
    body: jsonBody(reasonBody, { reason: 'the original was posted by hand' }),
    responses: { 202: answer },
    problems: [
      'invalid_request',
      'not_found',
      'delivery_settled',
      'delivery_not_released',
      'connection_removed',
    ],
    handle: call => askOne(parts, call, 'release', nowMs()),
  }
}

function settleRoute(parts: AskParts, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/deliveries/{id}/settle',
    audits: ['delivery.settled'],
    access: needs('operate'),
    operationId: 'settleDelivery',
    tag: deliveriesTag,
    summary: 'Say whether the receiver has an unclear delivery',
    description:
      'For one of which Weir cannot find out. `there`: it is posted, with the id that you found. `absent`: it is sent again ' +
      'under the same key. The first word counts, and only when nothing was sent or found since you looked.',
    params: idParams,
    body: jsonBody(settleBody, { found: 'there', external_id: '300100184', reason: 'seen in the ledger' }),
    responses: { 202: answer },
    problems: [
      'invalid_request',
      'not_found',
      'delivery_not_unclear',
      'delivery_discarded',
      'connection_removed',
    ],
    async handle(call) {
      const word = await readJson(call, settleBody)
      const one = await oneDelivery(parts, call.params['id'] ?? '')
      requireConnections(parts, [one])
      const refusal = notUnclear(one, await asideOf(parts, one))
      if (refusal !== undefined) throw refusal
      const found = word.found === 'there' ? { externalId: word.external_id } : {}
      const asking = { act: word.found, reason: word.reason, caller: call.caller, nowMs: nowMs() }
      await ask(parts, [one], { ...asking, ...found, id: randomUUID() })
      return { status: 202, body: { preview: false, count: 1 } }
    },
  }
}

async function askOne(
  parts: AskParts,
  call: ApiCall,
  act: 'retry' | 'release',
  nowMs: number,
): Promise<ApiReply> {
  const { reason: why } = await readJson(call, reasonBody)
  const one = await oneDelivery(parts, call.params['id'] ?? '')
  const refusal = refusalOf(one, act)
  if (refusal !== undefined) throw refusal
  requireConnections(parts, [one])
  await asideOf(parts, one)
  await ask(parts, [one], { act, reason: why, caller: call.caller, id: randomUUID(), nowMs })
  await asideOf(parts, one) // discarded in that moment: then it is not tried
  return { status: 202, body: { preview: false, count: 1 } }
}

function retryManyRoute(parts: AskParts, nowMs: () => number): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/deliveries/retry',
    audits: ['delivery.retried'],
    access: needs('operate'),
    operationId: 'retryDeliveries',
    tag: deliveriesTag,
    summary: 'Try deliveries again now',
    description: `Those that the filter takes, at most ${maxAsked} at once.`,
    body: jsonBody(retryBody, {
      filter: { connection: ['books'], code: ['period_closed'] },
      reason: 'the period is open again',
    }),
    responses: { 202: answer },
    problems: ['invalid_request', 'too_many_deliveries', 'deliveries_changed', 'connection_removed'],
    async handle(call) {
      const { filter, reason: why, preview = false, expected_count } = await readJson(call, retryBody)
      const found = await toRetry(parts, filter)
      requireConnections(parts, found)
      if (expected_count !== undefined && expected_count !== found.length)
        throw new Problem(
          'deliveries_changed',
          `The filter takes ${found.length} deliveries now, not ${expected_count}.`,
        )
      const asking = {
        act: 'retry' as const,
        reason: why,
        caller: call.caller,
        id: randomUUID(),
        nowMs: nowMs(),
      }
      if (!preview) await ask(parts, found, asking)
      return { status: 202, body: { preview, count: found.length } }
    },
  }
}
