// Answers exceptions as a person asks for it: first what the filter takes and what it is worth, then, unless that was all
// that was asked for, the answer.
// Invariants:
// 1. The act is on the audit trail, with its reason and its exceptions counted, before any of them is answered.
// 2. What is answered is what was counted: the ids are read once. A caller who saw a preview says how many there were.
// 3. The answer comes back when the list shows it.
// 4. All of it is answered or none: a delivery that is being tried again is not discarded, and whoever asked is told.

import { setTimeout as sleep } from 'node:timers/promises'
import { deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { Resolution } from '../../schemas/exception-kinds.js'
import { requestDelivery } from '../deliver/delivery-requests.js'
import { markDiscarded } from '../deliver/refused-records.js'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import type { Caller } from '../gateway/scopes.js'
import type { ExceptionDesk } from './exception-desk.js'
import type { ExceptionFilter } from './exception-filter.js'
import { MoneySums, type MoneyView } from './money/money-sums.js'
import { QueryParameters } from './query-parameters.js'
import { askRows, type Exception } from './read-exceptions.js'
import { resolveExceptions } from './resolve.js'

export interface AnswerRequest {
  readonly resolution: Exclude<Resolution, 'redriven'>
  readonly filter: ExceptionFilter
  readonly reason: string
  /** Say what would be answered, and answer nothing. */
  readonly isPreview: boolean
  /** How many the caller saw; another number is refused. */
  readonly expectedCount?: number | undefined
  readonly caller: Caller
  /** Unique to this request. */
  readonly id: string
}

export interface Answered {
  readonly count: number
  readonly customers: number
  readonly money: MoneyView
  /** False where ClickHouse is behind: the answer is on disk and shows a little later. */
  readonly isShown: boolean
}

/** Exceptions that one request answers. */
export const maxAnswered = 10_000
const pageSize = 500
const showWithinMs = 5_000
const pollMs = 50

export async function answerExceptions(
  parts: Pick<FeatureParts, 'js' | 'queries' | 'audit' | 'buckets'>,
  desk: ExceptionDesk,
  request: AnswerRequest,
  nowMs: number,
): Promise<Answered> {
  const { exceptions, money } = await collect(desk, request)
  const summary = {
    count: exceptions.length,
    customers: new Set(exceptions.map(one => one.customerId)).size,
    money: money.view(exceptions.length),
  }
  if (request.isPreview) return { ...summary, isShown: true }
  const { expectedCount, resolution, reason, caller, id } = request
  if (expectedCount !== undefined && expectedCount !== exceptions.length)
    throw new Problem(
      'exceptions_changed',
      `The filter takes ${exceptions.length} exceptions now, not ${expectedCount}.`,
    )
  if (exceptions.length === 0) return { ...summary, isShown: true }
  await parts.audit.record({
    caller,
    act: resolution === 'discarded' ? 'exception.discarded' : 'exception.discard_undone',
    object: { kind: 'exceptions', id },
    reason,
    before: { state: resolution === 'discarded' ? 'open' : 'discarded' },
    after: {
      state: resolution === 'discarded' ? 'discarded' : 'open',
      ...summary,
      exception_ids: exceptions.slice(0, idsOnRecord).map(one => one.exceptionId),
    },
  }) // invariant 1
  const key = caller.keyId === undefined ? undefined : { id: caller.keyId, name: caller.keyName ?? '' }
  const taken = await markDeliveries(parts, exceptions, { resolution, reason, by: key?.name ?? '', nowMs })
  if (taken !== undefined) {
    const detail = `Nothing is discarded: delivery ${taken} is being tried again, so it is no exception now. Look again.`
    if (resolution === 'discarded') await recordRefused(parts, id, caller, detail)
    throw new Problem('exceptions_changed', detail)
  }
  const last = await resolveExceptions(parts.js, exceptions, { resolution, reason, atMs: nowMs, key, id })
  return { ...summary, isShown: await isShown(parts, last) }
}

function recordRefused(
  { audit }: Pick<FeatureParts, 'audit'>,
  id: string,
  caller: Caller,
  reason: string,
): Promise<void> {
  const act = 'exception.discard_refused'
  const object = { kind: 'exceptions', id }
  return audit.record({ caller, act, object, reason, before: { state: 'open' }, after: { state: 'open' } })
}

/**
 * A refused delivery whose exception is discarded is not tried again, and its connection learns what that means for others.
 * Answers one that is being tried again; then none is marked (invariant 4).
 */
async function markDeliveries(
  { buckets }: Pick<FeatureParts, 'buckets'>,
  exceptions: readonly Exception[],
  {
    resolution,
    reason,
    by,
    nowMs,
  }: Pick<AnswerRequest, 'resolution' | 'reason'> & { by: string; nowMs: number },
): Promise<string | undefined> {
  const deliveries = exceptions.flatMap(({ kind, receiver, recordKind, recordId }) => {
    const id = deliveryIdOf(receiver, { kind: recordKind, id: recordId })
    return kind === 'refused_delivery' ? [{ connection: receiver, id }] : []
  })
  const isDiscarding = resolution === 'discarded'
  for (const [index, { connection, id }] of deliveries.entries()) {
    const isMarked = await markDiscarded(buckets.sinks, `connection.${connection}`, id, isDiscarding)
    if (isMarked || !isDiscarding) continue
    for (const before of deliveries.slice(0, index))
      await markDiscarded(buckets.sinks, `connection.${before.connection}`, before.id, false)
    return id
  }
  const at = new Date(nowMs).toISOString()
  for (const { connection, id } of deliveries)
    await requestDelivery(buckets.sinks, { delivery_id: id, connection, act: 'reread', reason, by, at })
  return undefined
}

/** The others have the same request id in `exception_resolutions`. */
const idsOnRecord = 100

async function collect(
  desk: ExceptionDesk,
  { filter, resolution }: AnswerRequest,
): Promise<{ readonly exceptions: readonly Exception[]; readonly money: MoneySums }> {
  const state = resolution === 'discarded' ? ('open' as const) : ('discarded' as const)
  const exceptions: Exception[] = []
  const money = new MoneySums()
  for await (const page of desk.all({
    filter: { ...filter, state: [state] },
    limit: pageSize,
    withPayload: true,
  })) {
    exceptions.push(...page)
    if (exceptions.length > maxAnswered)
      throw new Problem(
        'too_many_exceptions',
        `The filter takes more than ${maxAnswered} exceptions; narrow it, such as by time, and do it in parts.`,
      )
    for (const stake of await desk.atStake(page)) money.add(stake)
  }
  return {
    exceptions: exceptions.map(({ payload: _payload, ...one }) => ({ ...one, payload: undefined })),
    money,
  }
}

async function isShown({ queries }: Pick<FeatureParts, 'queries'>, sequence: number): Promise<boolean> {
  const until = performance.now() + showWithinMs
  do {
    const parameters = new QueryParameters()
    const query = `SELECT count() AS n FROM exception_resolutions WHERE stream_sequence >= ${parameters.add('UInt64', sequence)}`
    const [row] = await askRows<{ n: number }>(queries, query, parameters)
    if ((row?.n ?? 0) > 0) return true
    await sleep(pollMs)
  } while (performance.now() < until)
  return false
}
