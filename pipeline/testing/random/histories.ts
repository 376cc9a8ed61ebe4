// Random histories: a catalog, timelines and usage in any order, with duplicates, conflicts, retractions, late and
// back-dated changes, and what is not valid. Instants lie on a coarse grid, so that they often coincide, and near clock
// changes, leap days and ends of months.

import fc from 'fast-check'
import { validateEvent } from '../../../schemas/event/cloud-event.js'
import { isLifecycleType } from '../../../schemas/event/event-stream.js'
import { msOf, nsOf, parseInstant } from '../../../schemas/time.js'
import { addedCharge, addedCharges } from './added-charges.js'
import { catalogOf, catalogShape } from './catalogs.js'
import { change, extra, rank, slots, subscription, usage } from './choices.js'
import { Dice } from './dice.js'
import { clockOf, event, extraEvent, timelineOf, usageEvent, type Wire } from './events.js'
import { paces } from './paces.js'
import { at } from './picks.js'

export interface History {
  /** The catalog known from the start, as it is sent. */
  readonly catalog: unknown
  /** In the order of arrival, cut into groups that are handed over at once. */
  readonly batches: readonly (readonly Wire[])[]
  /** The same events in another order. */
  readonly again: readonly (readonly Wire[])[]
  readonly arrivalMs: number
  readonly middleNs: bigint
  /** An instant after everything that happens. */
  readonly endNs: bigint
  /** The other random choices made while a core is driven through the history. */
  readonly seed: number
  /** True when nothing is kept because it came first, so the order of arrival decides nothing. */
  readonly isOrderFree: boolean
}

const starts = ['2026-01-29', '2026-02-25', '2026-09-20', '2027-12-24', '2026-03-20'].map(day =>
  nsOf(Date.parse(day)),
)
const shape = fc.record({
  catalog: catalogShape,
  pace: fc.constantFrom(...paces),
  startNs: fc.constantFrom(...starts),
  publishRanks: fc.array(rank, { minLength: 8, maxLength: 8 }),
  subscriptions: fc.array(subscription, { minLength: 1, maxLength: 3, size: 'max' }),
  changes: fc.array(change, { maxLength: 5, size: 'max' }),
  usage: fc.array(usage, { minLength: 2, maxLength: 16, size: 'max' }),
  added: fc.array(addedCharge, { maxLength: 4, size: 'max' }),
  extras: fc.array(extra, { maxLength: 7, size: 'max' }),
  /** Most changes come before the usage that they concern. */
  isSettled: fc.boolean(),
  /** True: nothing comes late or in two versions. */
  isOrderly: fc.boolean(),
  sizes: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
  seed: fc.nat({ max: 99_999 }),
})

type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never

/** Turns off fast-check's bias to the ends of ranges: the choices above are weighted by hand. */
export const histories: fc.Arbitrary<History> = fc.noBias(shape.map(historyOf))

function historyOf(one: Shape): History {
  const choice = catalogOf(one.catalog, one.pace, one.isOrderly)
  const [initial, ...late] = choice.parts
  const clock = clockOf(one)
  const published = late.map((part, n) => ({
    rank: at(one.publishRanks, n),
    event: event(`cat${n}`, 'catalog', 'weir.catalog.published', 'all', clock(0), {
      catalog: { meters: part.meters, plans: part.plans, coupons: part.coupons ?? [] },
    }),
  }))
  const timeline = timelineOf(one, choice, clock).map(ranked => ({
    ...ranked,
    rank: one.isSettled ? Math.floor(ranked.rank / 5) : ranked.rank,
  }))
  const used = one.usage.map((usageOf, n) => ({
    rank: usageOf.rank,
    event: usageEvent(one, usageOf, n, clock),
  }))
  const owners = one.subscriptions.map(({ customer }) => customer)
  const own = [...published, ...timeline, ...used, ...addedCharges(one.added, owners, clock)]
  const mayExtras = one.extras.filter(more => more.kind !== 'conflict' || !one.isOrderly)
  const extras = mayExtras.map((more, n) => ({
    rank: more.rank,
    event: extraEvent(own, used, more, n, clock),
  }))
  const events = [...own, ...extras].sort((a, b) => a.rank - b.rank).map(ranked => ranked.event)
  const { meters, plans, coupons = [] } = initial!
  return {
    catalog: { meters, plans, coupons },
    batches: cut(events, one.sizes),
    again: cut(new Dice(one.seed).shuffled(events), [1, 1 + (one.seed % 5), 2]),
    arrivalMs: msOf(clock(slots / 2)),
    middleNs: clock(20 + (one.seed % 20)),
    endNs: clock(slots),
    seed: one.seed,
    isOrderFree: one.isOrderly,
  }
}

/**
 * Leaves out the usage after an instant, and the changes both sent and effective after it. Only the first
 * event of each identity is considered, so leaving it out lets no conflicting event in.
 */
export function happenedBy({ batches, arrivalMs }: History, asOfNs: bigint): Wire[] {
  const seen = new Set<string>()
  return batches.flat().filter(one => {
    const parsed = validateEvent(one, arrivalMs)
    if (parsed.kind === 'rejected') return true
    const { source, id, type, timeNs, timeText, data } = parsed.value
    const identity = JSON.stringify([source, id])
    const isFirst = !seen.has(identity)
    seen.add(identity)
    const effectiveFrom = data['effective_from']
    const effectiveFromNs = typeof effectiveFrom === 'string' ? parseInstant(effectiveFrom) : undefined
    const isAhead = isLifecycleType(type)
      ? timeText !== undefined && effectiveFromNs !== undefined && effectiveFromNs > asOfNs
      : true
    return isFirst && !(timeNs > asOfNs && isAhead)
  })
}

/** Cuts into pieces of these sizes, repeated in turn. */
function cut(events: readonly Wire[], sizes: readonly number[]): Wire[][] {
  const batches: Wire[][] = []
  for (let from = 0, n = 0; from < events.length; n += 1) {
    const size = sizes.length === 0 ? 1 : at(sizes, n)
    batches.push(events.slice(from, from + size))
    from += size
  }
  return batches
}
