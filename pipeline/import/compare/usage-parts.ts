// Why a usage price comes to something else here. It goes from what is owed here towards what they billed in steps, each
// rated by the core: without what came late, by their period, with repeats counted. A step is kept when it brings the quantity
// nearer to theirs; what is left of the quantity is usage that one side lacks, what is left of the amount the price.

import { compositeKey } from '../../../schemas/identifiers.js'
import { formatScaled, magnitude, type Scaled } from '../../../schemas/money/decimal.js'
import { formatInstant, parseInstant } from '../../../schemas/time.js'
import type { Finding, ImportedEvent } from '../imported.js'
import type { Part, Reason } from './difference.js'
import type { OurSide, OwedKey, OwedTotal } from './our-side.js'
import { amountAt, priceIn, unitAmounts } from './terms.js'
import { type BilledTotal, scaled } from './their-side.js'

export interface Evidence {
  readonly ours: OurSide
  /** When they got an event, by `compositeKey(source, id)`. */
  readonly seen: ReadonlyMap<string, bigint>
  readonly findings: readonly Finding[]
}

const namedEvents = 20

interface Cursor {
  quantity: Scaled
  amount: Scaled
  usage: readonly ImportedEvent[]
}

export function usageParts(key: OwedKey, owed: OwedTotal, billed: BilledTotal, evidence: Evidence): Part[] {
  const parts: Part[] = []
  const cursor: Cursor = {
    quantity: owed.quantity,
    amount: owed.exact,
    usage: evidence.ours.usageOf(key.customer),
  }
  const price = priceIn(evidence.ours.catalog, key.price, owed)
  if (billed.quantity !== undefined && billed.quantity !== cursor.quantity) {
    const told = billed.quantity
    for (const step of steps) tryStep(step, key, owed, billed, told, evidence, cursor, parts)
    if (cursor.quantity !== told) {
      const byTerms = price === undefined ? undefined : amountAt(evidence.ours.catalog, price, owed, told)
      const to = byTerms ?? billed.exact ?? billed.rounded
      parts.push(missing(key, cursor, told, cursor.amount - to, evidence))
      cursor.amount = to
    }
  }
  const exact = exactOf(billed, cursor.amount)
  if (exact !== cursor.amount) parts.push(priceOrRest(key, price, cursor.amount - exact, billed, evidence))
  parts.push(roundingPart(owed, billed, exact))
  return parts
}

/** Theirs before rounding. Where they do not tell it, ours is theirs as far as rounding can explain it. */
export function exactOf({ exact, rounded, roundingMost }: BilledTotal, ours: Scaled): Scaled {
  if (exact !== undefined) return magnitude(rounded - exact) <= 2n * roundingMost ? exact : rounded
  return magnitude(rounded - ours) <= roundingMost ? ours : rounded
}

export function roundingPart(owed: OwedTotal, billed: BilledTotal, exact: Scaled): Part {
  const [here, there] = [owed.rounded - owed.exact, billed.rounded - exact]
  return {
    reason: 'rounding',
    amount: here - there,
    evidence:
      `here ${formatScaled(owed.exact)} is rounded once to ${formatScaled(owed.rounded)}; ` +
      `there ${formatScaled(exact)} in ${billed.lines.length} line${billed.lines.length === 1 ? '' : 's'} to ${formatScaled(billed.rounded)}`,
  }
}

interface Step {
  readonly reason: Reason
  /** The usage as it would be; undefined: the step has nothing to change. */
  change(
    usage: readonly ImportedEvent[],
    key: OwedKey,
    owed: OwedTotal,
    billed: BilledTotal,
    evidence: Evidence,
  ): Changed | undefined
}

interface Changed {
  readonly usage: readonly ImportedEvent[]
  readonly events: readonly string[]
  readonly evidence: string
}

const steps: readonly Step[] = [
  { reason: 'late_event', change: withoutLate },
  { reason: 'period_boundary', change: byTheirPeriod },
  { reason: 'duplicate_counted_there', change: withRepeats },
]

function tryStep(
  { reason, change }: Step,
  key: OwedKey,
  owed: OwedTotal,
  billed: BilledTotal,
  told: Scaled,
  evidence: Evidence,
  cursor: Cursor,
  parts: Part[],
): void {
  if (cursor.quantity === told) return
  const changed = change(cursor.usage, key, owed, billed, evidence)
  if (changed === undefined) return
  const { quantity, exact } = evidence.ours.rated(key, changed.usage)
  if (magnitude(quantity - told) >= magnitude(cursor.quantity - told)) return
  const events = changed.events.slice(0, namedEvents)
  parts.push({ reason, amount: cursor.amount - exact, evidence: changed.evidence, events })
  Object.assign(cursor, { quantity, amount: exact, usage: changed.usage })
}

function eventKey({ source, id }: Pick<ImportedEvent, 'source' | 'id'>): string {
  return compositeKey(source, id)
}

function withoutLate(
  usage: readonly ImportedEvent[],
  _key: OwedKey,
  _owed: OwedTotal,
  { issuedNs }: BilledTotal,
  { seen }: Evidence,
): Changed | undefined {
  if (issuedNs === undefined) return undefined
  const late = usage.filter(event => (seen.get(eventKey(event)) ?? 0n) > issuedNs)
  if (late.length === 0) return undefined
  const out = new Set(late)
  return {
    usage: usage.filter(event => !out.has(event)),
    events: late.map(({ id }) => id),
    evidence: `${late.length} events reached them after the invoice of ${formatInstant(issuedNs)}`,
  }
}

/** Events that only their period holds are moved into ours, those that only ours holds are taken out. */
function byTheirPeriod(
  usage: readonly ImportedEvent[],
  { subscription }: OwedKey,
  { charges }: OwedTotal,
  { fromNs, untilNs }: BilledTotal,
): Changed | undefined {
  const [charge] = charges
  if (charge === undefined || charges.length > 1) return undefined
  if (charge.fromNs === fromNs && charge.untilNs === untilNs) return undefined
  const moved: string[] = []
  const changed = usage.flatMap(event => {
    if (event.subscriptionid !== undefined && event.subscriptionid !== subscription) return [event]
    const atNs = parseInstant(event.time) ?? 0n
    const [here, there] = [atNs >= charge.fromNs && atNs < charge.untilNs, atNs >= fromNs && atNs < untilNs]
    if (here === there) return [event]
    moved.push(event.id)
    const edge = atNs < charge.fromNs ? charge.fromNs : charge.untilNs - 1_000_000n
    return there ? [{ ...event, time: formatInstant(edge) }] : []
  })
  if (moved.length === 0) return undefined
  const [theirs, ours] = [span(fromNs, untilNs), span(charge.fromNs, charge.untilNs)]
  return {
    usage: changed,
    events: moved,
    evidence: `their period is ${theirs}, ours ${ours}: ${moved.length} events lie between`,
  }
}

function span(fromNs: bigint, untilNs: bigint): string {
  return `${formatInstant(fromNs)} to ${formatInstant(untilNs)}`
}

function withRepeats(usage: readonly ImportedEvent[]): Changed | undefined {
  const times = new Map<string, number>()
  const repeated: string[] = []
  const changed = usage.map(event => {
    const key = eventKey(event)
    const before = times.get(key) ?? 0
    times.set(key, before + 1)
    if (before === 0) return event
    repeated.push(event.id)
    return { ...event, id: `${event.id}#${before + 1}` }
  })
  if (repeated.length === 0) return undefined
  return {
    usage: changed,
    events: repeated,
    evidence: `${repeated.length} events are in their export more than once and count once here`,
  }
}

function missing(key: OwedKey, cursor: Cursor, told: Scaled, amount: Scaled, evidence: Evidence): Part {
  const [here, there] = [formatScaled(cursor.quantity), formatScaled(told)]
  if (cursor.quantity > told)
    return {
      reason: 'usage_missing_there',
      amount,
      evidence: `here ${here} units of ${eventsOf(key, cursor, evidence)} events, there ${there}`,
    }
  const dead = evidence.ours.deadLetters.filter(row =>
    cursor.usage.some(({ source, id }) => row.eventSource === source && row.eventId === id),
  )
  const refused = dead.map(row => `${row.eventId} (${row.code})`)
  const leftOut = evidence.findings.filter(
    one => one.effect === 'left_out' && /event|summary/.test(one.object),
  )
  const ids = [...refused, ...leftOut.map(one => `${one.id} (${one.code})`)]
  const why =
    ids.length === 0
      ? 'and nothing of their export was refused, so it lacks usage that they have'
      : `${ids.length} events were refused or left out here`
  return {
    reason: 'usage_missing_here',
    amount,
    evidence: `here ${here} units, there ${there}; ${why}`,
    events: ids.slice(0, namedEvents),
  }
}

function eventsOf({ price }: OwedKey, { usage }: Cursor, { ours }: Evidence): number {
  const named = ours.catalog.plans.flatMap(plan => plan.prices).find(one => one.price === price)
  const meter =
    named?.kind === 'usage' ? ours.catalog.meters.find(one => one.meter === named.meter) : undefined
  return new Set(usage.filter(({ type }) => meter?.eventTypes.includes(type)).map(eventKey)).size
}

function priceOrRest(
  key: OwedKey,
  price: ReturnType<typeof priceIn>,
  amount: Scaled,
  billed: BilledTotal,
  { findings }: Evidence,
): Part {
  const told = billed.lines.map(line => scaled(line.unit_amount)).filter(one => one !== undefined)
  const ours = price === undefined ? [] : unitAmounts(price)
  const others = told.filter(one => !ours.includes(one))
  if (others.length > 0)
    return {
      reason: 'price_differs',
      amount,
      evidence: `a unit is ${others.map(formatScaled).join(', ')} there; here ${ours.map(formatScaled).join(', ')}`,
    }
  const known = findings.find(one => one.id === key.price && one.effect !== 'note')
  if (known !== undefined)
    return { reason: 'price_differs', amount, evidence: `${known.code}: ${known.detail}` }
  const minimum = price?.kind === 'usage' ? price.minimum : undefined
  if (minimum !== undefined && minimum > billed.rounded)
    return { reason: 'minimum', amount, evidence: `the price has a minimum of ${formatScaled(minimum)}` }
  return {
    reason: 'unexplained',
    amount,
    evidence: `${billed.lines.length} lines there come to ${formatScaled(billed.rounded)}`,
  }
}
