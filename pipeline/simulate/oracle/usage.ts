// What the usage of a segment comes to, by the oracle: all its samples at once, given to rating/slow-oracle.ts, which is
// exact fractions and the contract's text, and nothing of what rating computes with. A level carries over from earlier
// segments of the same terms, and begins at 0 under new ones.

import type { ChargeBasis, UsageSample } from '../../../rating/accumulator.js'
import type { Exact } from '../../../rating/exact.js'
import { exactly, slowAmount, slowQuantity, toPlaces } from '../../../rating/slow-oracle.js'
import type { Catalog, UsagePrice } from '../../../schemas/catalog.js'
import type { Placed } from './attach.js'
import { canonical } from './canonical.js'
import { earliest, type Line, partOf, type Segment } from './prices.js'

export interface Total {
  readonly quantity: string
  readonly amount: string
  /** Readings that it counts. */
  readonly events: number
}

export function usageTotal(segment: Segment, catalog: Catalog, placed: readonly Placed[]): Total {
  const { line, period, fromNs, untilNs } = segment
  const { trial } = line
  if (line.price.kind !== 'usage') throw new Error(`${line.price.price} is not a usage price.`)
  const price = isWaived(segment) ? unfloored(line.price) : line.price
  const meter = catalog.meters.find(one => one.meter === price.meter)!
  const fraction = partOf(segment)
  const basis: ChargeBasis = { price, meter, fraction, trial, fromNs, untilNs, period }
  const samples = samplesOn([line], placed).filter(one => fromNs <= one.timeNs && one.timeNs < untilNs)
  const isLevel = meter.aggregation === 'weighted_sum' || meter.aggregation === 'time_average'
  const earlier = isLevel ? samplesOn(continuedBy(line), placed).filter(one => one.timeNs < fromNs) : []
  return remembered(canonical([basis, samples, earlier]), () => {
    const levelOf = (cell: number) =>
      levelAfter(
        earlier.filter(one => one.cell === cell),
        meter.aggregation,
      )
    return {
      quantity: toPlaces(slowQuantity(basis, samples, levelOf)),
      amount: toPlaces(slowAmount(basis, samples, levelOf)),
      events: samples.length,
    }
  })
}

/** "A service period that lies in a suspension from end to end owes no minimum and no flat amount, unless the plan …" */
function isWaived({ line, fromNs, untilNs }: Segment): boolean {
  const suspendedNs = line.suspensions
    .map(span => earliest(span.untilNs, untilNs) - (span.fromNs > fromNs ? span.fromNs : fromNs))
    .filter(ns => ns > 0n)
    .reduce((sum, ns) => sum + ns, 0n)
  return suspendedNs === untilNs - fromNs && !line.plan.minimumWhenSuspended
}

function unfloored({ minimum: _, ...price }: UsagePrice): UsagePrice {
  const { model } = price
  if (model.model !== 'graduated' && model.model !== 'volume') return price
  return { ...price, model: { ...model, tiers: model.tiers.map(tier => ({ ...tier, flatAmount: 0n })) } }
}

function samplesOn(lines: readonly Line[], placed: readonly Placed[]): UsageSample[] {
  return placed
    .filter(one => lines.includes(one.line))
    .map(({ usage: { event }, reading, cell }) => ({
      timeNs: event.timeNs,
      quantity: reading.quantity,
      text: reading.text,
      // Of two at one time the one with the greater id comes later, then the one with the greater source.
      key: `${event.id}\u0000${event.source}`,
      cell,
    }))
}

/** The line and all whose terms it goes on with. */
function continuedBy(line: Line): Line[] {
  return line.before === undefined ? [line] : [...continuedBy(line.before), line]
}

function levelAfter(earlier: readonly UsageSample[], aggregation: string): Exact {
  const inOrder = earlier.toSorted((a, b) => {
    if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1
    return a.key < b.key ? -1 : 1
  })
  const counted = aggregation === 'weighted_sum' ? inOrder : inOrder.slice(-1)
  return counted.reduce((level, one) => level.plus(exactly(one.quantity)), exactly(0n))
}

const totals = new Map<string, Total>()
const mostTotals = 20_000

/** The same segment with the same samples comes to the same, prefix after prefix: it need not be computed again. */
function remembered(key: string, total: () => Total): Total {
  let known = totals.get(key)
  if (known === undefined) {
    known = total()
    if (totals.size >= mostTotals) totals.clear()
    totals.set(key, known)
  }
  return known
}
