// The oracle's minimum, maximum and commitments. docs/pricing.md, "Minimum, maximum and commitments": what the charges of a period or term
// have to come to, for the time in which the bound was in force, and what is charged or given back so that they do.
// Period by period: nothing is carried over, and each period looks at all charges of the subscription again.

import { Exact } from '../../../rating/testing/exact.js'
import { exactly, toPlaces } from '../../../rating/testing/slow-oracle.js'
import type { ChargeWire } from '../../../schemas/billing/charge.js'
import type { BillingPeriod, Catalog, Plan } from '../../../schemas/catalog/catalog.js'
import { stableId } from '../../../schemas/identifiers.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import { formatInstant, instantKey, parseBoundary } from '../../../schemas/time.js'
import { dateOf, type Period, periodAt } from './calendar.js'
import { canonical } from './canonical.js'
import { catalogIn } from './currencies.js'
import { payable } from './payable.js'
import { earliest, never, planOf, type Subscription } from './prices.js'
import { allInstantsOf, isTrial } from './stages.js'
import { instantsOf, type Terms, termsAt } from './terms.js'

const kinds = ['minimum', 'maximum', 'commitment'] as const

interface Said {
  readonly kind: (typeof kinds)[number]
  readonly name: string
  readonly place: number
  readonly amount: Scaled
  readonly period?: BillingPeriod | undefined
  readonly appliesTo?: readonly string[] | undefined
  readonly trueUp: string
}

/** A bound over an interval in which only its amount changes. */
interface Line extends Period {
  readonly said: Said
  readonly period: BillingPeriod
  readonly unit: string
  readonly plan: Plan
  readonly terms: Terms
  readonly key: string
  /** Where its amounts are owed. */
  readonly pieces: readonly (Period & { readonly amount: Scaled })[]
}

/** Whole: the period or term that it belongs to. */
interface Segment extends Period {
  readonly line: Line
  readonly whole: Period
  readonly dueNs: bigint
  readonly bound: Exact
}

/** `wires`: all other charges of the subscription, net. */
export function commitmentsOf(
  one: Subscription,
  catalog: Catalog,
  wires: readonly ChargeWire[],
  asOfNs: bigint,
): ChargeWire[] {
  const lines = linesOf(one, catalogIn(catalog, one.currency))
  const made: { readonly wire: ChargeWire; readonly said: Said }[] = []
  const names = [...new Set(lines.map(line => `${line.said.kind} ${line.said.name}`))]
  const segments = names.flatMap(name =>
    segmentsOf(
      one,
      lines.filter(line => `${line.said.kind} ${line.said.name}` === name),
      asOfNs,
    ),
  )
  for (const segment of segments.sort(bySettling)) {
    const { said } = segment.line
    const others = made
      .filter(other => other.said.kind !== said.kind || other.said.name !== said.name)
      .map(other => other.wire)
    const own = wires.filter(wire => said.appliesTo?.includes(wire.price) ?? wire.kind !== 'one_off')
    const wire = wireOf(one, segment, [...own, ...(said.appliesTo === undefined ? others : [])], asOfNs)
    if (wire !== undefined) made.push({ wire, said })
  }
  return made.map(each => each.wire)
}

function bySettling(a: Segment, b: Segment): number {
  const key = ({ line: { said } }: Segment) => [kinds.indexOf(said.kind), said.place, said.name] as const
  const [left, right] = [key(a), key(b)]
  if (left[0] !== right[0]) return left[0] - right[0]
  if (left[1] !== right[1]) return left[1] - right[1]
  if (left[2] !== right[2]) return left[2] < right[2] ? -1 : 1
  if (a.line.fromNs !== b.line.fromNs) return a.line.fromNs < b.line.fromNs ? -1 : 1
  return a.fromNs < b.fromNs ? -1 : 1
}

function linesOf({ changes }: Subscription, catalog: Catalog): Line[] {
  const lines: Line[] = []
  const instants = allInstantsOf(changes, catalog)
  for (const [index, fromNs] of instants.entries()) {
    const terms = termsAt(changes, fromNs)
    if (terms === undefined) continue
    const plan = planOf(catalog, terms.plan, terms.planVersion)!
    const untilNs = instants[index + 1] ?? never
    for (const said of saidBy(plan, terms)) {
      const isOwed = terms.status === 'active' && !isTrial(terms, changes, catalog, fromNs)
      const pieces = isOwed ? [{ amount: said.amount, fromNs, untilNs }] : []
      const period = said.period ?? plan.billingPeriod
      const unit = plan.proration.split('/').find(rule => rule !== 'none') ?? 'none'
      const prices = said.appliesTo?.toSorted() ?? null
      const ofTerm = said.trueUp === 'term_end' ? terms.termFromNs : null
      const frame = [plan.currency, plan.rounding, unit, period, terms.anchorNs, terms.timezone]
      const key = canonical([said.kind, said.name, said.trueUp, ofTerm, prices, frame])
      const at = lines.findIndex(line => line.key === key && line.untilNs === fromNs)
      const before = lines[at]
      if (before === undefined) lines.push({ said, period, unit, plan, terms, key, fromNs, untilNs, pieces })
      else lines[at] = { ...before, untilNs, pieces: [...before.pieces, ...pieces] }
    }
  }
  return lines
}

function saidBy(plan: Plan, terms: Terms): Said[] {
  const ofPlan = (['minimum', 'maximum'] as const).flatMap(kind => {
    const bound = plan[kind]
    return bound === undefined ? [] : [{ ...bound, kind, name: kind, place: 0, trueUp: 'period_end' }]
  })
  const own = terms.commitments.map((one, place) => ({
    ...one,
    kind: 'commitment' as const,
    name: one.commitment,
    place,
  }))
  return [...ofPlan, ...own]
}

/** `lines`: those of one bound. */
function segmentsOf(one: Subscription, lines: readonly Line[], asOfNs: bigint): Segment[] {
  const segments: Segment[] = []
  let taken = -1n
  for (const line of lines) {
    const next = lines.find(other => other.fromNs === line.untilNs)
    const calendar = ({ period, terms, plan }: Line) =>
      [period, terms.anchorNs, terms.timezone, plan.currency].join(' ')
    const isCutOff = next !== undefined && calendar(next) !== calendar(line)
    let fromNs = line.fromNs > taken ? line.fromNs : taken
    while (fromNs < line.untilNs && fromNs < asOfNs) {
      const own = periodOf(line, fromNs)
      const isTerm = line.said.trueUp === 'term_end'
      const endNs = isTerm ? line.untilNs : earliest(own.untilNs, line.untilNs)
      const bound = boundIn(line, { fromNs, untilNs: endNs })
      const isHeld = line.unit === 'none' && bound !== undefined && !isCutOff
      const untilNs = isHeld ? periodOf(line, endNs - 1n).untilNs : endNs
      const whole = isTerm ? { fromNs, untilNs } : own
      const goesOn = [untilNs, ...instantsOf(one.changes)].some(
        atNs => atNs >= untilNs && atNs < own.untilNs && termsAt(one.changes, atNs) !== undefined,
      )
      const dueNs = !isTerm && !isCutOff && goesOn ? own.untilNs : untilNs
      segments.push({ line, whole, fromNs, untilNs, dueNs, bound: bound ?? Exact.of(0) })
      fromNs = untilNs
    }
    if (fromNs > taken) taken = fromNs
  }
  return segments
}

function periodOf({ terms, period }: Line, atNs: bigint): Period {
  return periodAt(terms.anchorNs, terms.timezone, period, atNs)
}

/** Calendar period by calendar period; undefined: in force for nothing. */
function boundIn(line: Line, span: Period): Exact | undefined {
  let sum: Exact | undefined
  for (let atNs = span.fromNs; atNs < span.untilNs; atNs = periodOf(line, atNs).untilNs) {
    const period = periodOf(line, atNs)
    const inside = line.pieces.flatMap(piece => {
      const fromNs = latest(latest(piece.fromNs, period.fromNs), span.fromNs)
      const untilNs = earliest(earliest(piece.untilNs, period.untilNs), span.untilNs)
      return fromNs < untilNs ? [{ amount: exactly(piece.amount), fromNs, untilNs }] : []
    })
    const [first] = inside
    if (first === undefined) continue
    const owed =
      line.unit === 'none'
        ? first.amount
        : inside.reduce(
            (all, piece) => all.plus(piece.amount.times(partOf(line, piece, period))),
            Exact.of(0),
          )
    sum = (sum ?? Exact.of(0)).plus(owed)
  }
  return sum
}

function partOf({ unit, terms }: Line, span: Period, period: Period): Exact {
  if (span.fromNs === period.fromNs && span.untilNs === period.untilNs) return Exact.of(1)
  const date = (atNs: bigint) => dateOf(terms.timezone, atNs)
  const days = date(period.untilNs) - date(period.fromNs)
  if (unit === 'day' && days > 0) return Exact.of(date(span.untilNs) - date(span.fromNs)).div(days)
  return Exact.of(span.untilNs - span.fromNs).div(period.untilNs - period.fromNs)
}

function latest(a: bigint, b: bigint): bigint {
  return a > b ? a : b
}

/** What an amount of 38 digits can say, in whole units. */
const most = Exact.of(10n ** 26n - 1n)

function wireOf(
  one: Subscription,
  segment: Segment,
  wires: readonly ChargeWire[],
  asOfNs: bigint,
): ChargeWire | undefined {
  const { line, fromNs, dueNs } = segment
  const { said, plan } = line
  const bound = Exact.of(toPlaces(segment.bound))
  const sums = new Map<string, Exact>()
  for (const wire of wires) {
    if (wire.currency !== plan.currency) continue
    const part = Exact.of(toPlaces(Exact.of(wire.amount).times(shareOf(wire, segment))))
    sums.set(wire.price, (sums.get(wire.price) ?? Exact.of(0)).plus(part))
  }
  const counted = [...sums].filter(([, sum]) => !sum.eq(0)).sort(([a], [b]) => (a < b ? -1 : 1))
  const missing = counted.reduce((left, [, sum]) => left.minus(sum), bound)
  if (said.kind === 'maximum' ? missing.gte(0) : missing.lte(0)) return undefined
  const sayable = (sum: Exact) => toPlaces(Exact.max(Exact.min(sum, most), most.times(-1)))
  const amount = sayable(missing)
  const terms = termsAt(one.changes, fromNs)!
  return {
    charge_id: stableId('ch', one.id, 'commitment', said.kind, said.name, instantKey(fromNs)),
    customer_id: one.customerId,
    subscription_id: one.id,
    subscription_version: terms.sequence,
    entity_id: terms.entityId,
    contract_id: terms.contractId,
    correlation_id: terms.correlationId,
    plan: terms.plan,
    plan_version: terms.planVersion,
    price: said.name,
    meter: '',
    kind: 'commitment',
    timing: 'in_arrears',
    service_period: { from: formatInstant(fromNs), until: formatInstant(dueNs) },
    timezone: line.terms.timezone,
    quantity: missing.lt(0) ? '-1' : '1',
    amount,
    amount_rounded: payable(amount, plan),
    currency: plan.currency,
    status: dueNs <= asOfNs ? 'closed' : 'open',
    makes_up_for: {
      bound: said.kind,
      amount: toPlaces(bound),
      counted: counted.map(([price, sum]) => ({ price, amount: sayable(sum) })),
    },
  }
}

/** How much of a charge counts: it belongs to the period in which it is booked, there to the segments by time. */
function shareOf({ timing, service_period }: ChargeWire, segment: Segment): Exact {
  const [fromNs, untilNs] = [parseBoundary(service_period.from)!, parseBoundary(service_period.until)!]
  const bookedNs = timing === 'in_advance' || fromNs === untilNs ? fromNs : untilNs - 1n
  if (bookedNs < segment.whole.fromNs || bookedNs >= segment.whole.untilNs) return Exact.of(0)
  if (fromNs === untilNs) return Exact.of(fromNs >= segment.fromNs && fromNs < segment.untilNs ? 1 : 0)
  const from = latest(fromNs, segment.whole.fromNs)
  const until = earliest(untilNs, segment.whole.untilNs)
  const common = earliest(until, segment.untilNs) - latest(from, segment.fromNs)
  return common <= 0n ? Exact.of(0) : Exact.of(common).div(until - from)
}
