// Asks for something of single deliveries: on the audit trail first, then in the bucket, where the process that holds the
// connection finds it.
// Invariant: nothing is asked that could not be done: of a settled delivery, one that somebody else has to release, or one of a
// connection that was removed.

import { requestDelivery } from '../deliver/delivery-requests.js'
import { reopenedDelivery } from '../deliver/refused-deliveries.js'
import { isDiscarded, type SetAside, setAsideNamed } from '../deliver/refused-records.js'
import { isUnclearException } from '../deliver/settlement.js'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import type { Caller } from '../gateway/scopes.js'
import type { DeliveryFilter } from './delivery-filter.js'
import type { DeliveryView } from './delivery-view.js'
import { type Position, readDeliveries } from './read-deliveries.js'

export interface Asking {
  readonly act: 'retry' | 'release' | 'there' | 'absent'
  /** With `there`: what the person found. */
  readonly externalId?: string
  readonly reason: string
  readonly caller: Caller
  /** Unique to this request. */
  readonly id: string
  readonly nowMs: number
}

/** Deliveries that one request asks for. */
export const maxAsked = 10_000
const pageSize = 1_000
const idsOnRecord = 100
const writesAtOnce = 50

const acts = {
  retry: 'delivery.retried',
  release: 'delivery.released',
  there: 'delivery.settled',
  absent: 'delivery.settled',
} as const

/** Why this cannot be asked of it; undefined: it can. */
export function refusalOf(
  { state, code, detail }: DeliveryView,
  act: 'retry' | 'release',
): Problem | undefined {
  if (state === 'superseded')
    return new Problem('delivery_settled', `A document of the receiver takes its place: ${detail}`)
  if (state === 'posted' || state === 'written')
    return new Problem('delivery_settled', `It is ${state}: the receiver has it, and it is not sent again.`)
  if (code === 'rejected_by_approval')
    return new Problem('delivery_settled', 'A second person has rejected it: it never leaves.')
  if (act === 'retry') return undefined
  if (state === 'waiting' || (state === 'held' && code === 'waits_for_record')) return undefined
  const holder = state === 'held' ? `${code}: ${detail}` : `it is ${state}`
  return new Problem(
    'delivery_not_released',
    `It does not wait for a record that it comes after (${holder}).`,
  )
}

/** Throws where a connection of these is gone: what is asked of it would wait for ever, and then be a surprise. */
export function requireConnections(
  { feeds }: Pick<FeatureParts, 'feeds'>,
  deliveries: readonly Pick<DeliveryView, 'connection'>[],
): void {
  const known = new Set(feeds.flatMap(({ ofRecords }) => ofRecords?.connection ?? []))
  const gone = deliveries.find(({ connection }) => !known.has(connection))?.connection
  if (gone === undefined) return
  throw new Problem(
    'connection_removed',
    `There is no connection ${gone} in the configuration any more: nothing of it is sent until it is there again, under this name.`,
  )
}

/** Of these, the ones whose exception nobody has discarded: the others are not tried until that is undone. */
export async function wanted(
  { buckets }: Pick<FeatureParts, 'buckets'>,
  deliveries: readonly DeliveryView[],
): Promise<readonly DeliveryView[]> {
  const found: DeliveryView[] = []
  for (let from = 0; from < deliveries.length; from += writesAtOnce) {
    const some = deliveries.slice(from, from + writesAtOnce)
    const discarded = await Promise.all(
      some.map(
        ({ state, connection, delivery_id }) =>
          state === 'refused' && isDiscarded(buckets.sinks, `connection.${connection}`, delivery_id),
      ),
    )
    found.push(...some.filter((_, index) => discarded[index] === false))
  }
  return found
}

/** Why nobody can settle it by a word; `sending` is what a process that ended has left. */
export function notUnclear({ state }: DeliveryView, aside: SetAside | undefined): Problem | undefined {
  if (state === 'unclear' || state === 'sending') return undefined
  const delivery = state === 'refused' && aside !== undefined ? reopenedDelivery(aside) : undefined
  if (delivery !== undefined && isUnclearException(delivery)) return undefined
  return new Problem('delivery_not_unclear', `It is ${state}: only an unclear one is settled by a word.`)
}

/** What is set aside of it; throws where its exception was discarded. */
export async function asideOf(
  { buckets }: Pick<FeatureParts, 'buckets'>,
  { connection, delivery_id, state }: DeliveryView,
): Promise<SetAside | undefined> {
  if (state !== 'refused') return undefined
  const aside = await setAsideNamed(buckets.sinks, `connection.${connection}`, delivery_id)
  if (aside?.discarded !== true) return aside
  throw new Problem(
    'delivery_discarded',
    `Its exception was discarded, so it is not sent: undo first, \`weir exceptions undo --kind refused_delivery\`.`,
  )
}

export async function ask(
  { audit, buckets }: Pick<FeatureParts, 'audit' | 'buckets'>,
  deliveries: readonly DeliveryView[],
  { act, externalId, reason, caller, id, nowMs }: Asking,
): Promise<void> {
  if (deliveries.length === 0) return
  const [first] = deliveries
  await audit.record({
    caller,
    act: acts[act],
    object:
      deliveries.length === 1 ? { kind: 'delivery', id: first!.delivery_id } : { kind: 'deliveries', id },
    reason,
    before: { states: countsOf(deliveries) },
    after: {
      ...(act === 'there' || act === 'absent' ? { found: act } : {}),
      ...(externalId === undefined ? {} : { external_id: externalId }),
      count: deliveries.length,
      delivery_ids: deliveries.slice(0, idsOnRecord).map(one => one.delivery_id),
    },
  })
  const by = caller.keyName ?? caller.keyId ?? ''
  const at = new Date(nowMs).toISOString()
  const more = externalId === undefined ? {} : { external_id: externalId }
  for (let from = 0; from < deliveries.length; from += writesAtOnce) {
    const page = deliveries.slice(from, from + writesAtOnce)
    const isAsked = await Promise.all(
      page.map(({ delivery_id, connection, attempt_count }) => {
        const request = { delivery_id, connection, act, reason, by, at, attempt_count, ...more }
        return requestDelivery(buckets.sinks, request)
      }),
    )
    if (isAsked.includes(false))
      throw new Problem('delivery_not_unclear', 'Somebody has just settled it: that word counts.')
  }
}

/** Those of a filter that can be tried again: refused ones that were not discarded, unless the filter names other states. */
export async function toRetry(
  { queries, buckets }: Pick<FeatureParts, 'queries' | 'buckets'>,
  filter: DeliveryFilter,
): Promise<readonly DeliveryView[]> {
  const found: DeliveryView[] = []
  const asked = { ...filter, state: filter.state ?? (['refused'] as const).slice() }
  for (let after: Position | undefined; ; ) {
    const { deliveries, next } = await readDeliveries(queries, asked, pageSize, after)
    found.push(
      ...(await wanted(
        { buckets },
        deliveries.filter(one => refusalOf(one, 'retry') === undefined),
      )),
    )
    if (found.length > maxAsked)
      throw new Problem(
        'too_many_deliveries',
        `The filter takes more than ${maxAsked} deliveries; narrow it.`,
      )
    if (next === undefined) return found
    after = next
  }
}

function countsOf(deliveries: readonly DeliveryView[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { state } of deliveries) counts[state] = (counts[state] ?? 0) + 1
  return counts
}
