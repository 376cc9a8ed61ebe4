// Computes the oracle's usage of a segment from all its samples at once, with rating/testing/slow-oracle.ts,
// which uses exact fractions and the contract's text and shares no code with rating. A level belongs to the
// meter: it begins with all earlier usage of the subscription, whatever the terms.

import type { ChargeBasis, UsageSample } from '../../../rating/charges/accumulator.js'
import {
  exactly,
  type SlowLevel,
  slowAmount,
  slowQuantity,
  toPlaces,
} from '../../../rating/testing/slow-oracle.js'
import type { Catalog, UsagePrice } from '../../../schemas/catalog/catalog.js'
import type { CellPrice } from '../../../schemas/catalog/models/matrix-cell.js'
import { cellOf, type Placed } from './attach.js'
import { canonical } from './canonical.js'
import { earliest, type Line, partOf, type Segment } from './prices.js'

export interface Total {
  readonly quantity: string
  readonly amount: string
  /** The number of readings that it counts. */
  readonly events: number
}

/** `lines`: all price lines of the subscription. */
export function usageTotal(
  segment: Segment,
  lines: readonly Line[],
  catalog: Catalog,
  placed: readonly Placed[],
): Total {
  const { line, period, fromNs, untilNs } = segment
  const { trial } = line
  if (line.price.kind !== 'usage') throw new Error(`${line.price.price} is not a usage price.`)
  const price = isWaived(segment) ? unfloored(line.price) : line.price
  const meter = catalog.meters.find(one => one.meter === price.meter)!
  const fraction = partOf(segment)
  const { timezone } = line.terms
  const basis: ChargeBasis = { price, meter, fraction, trial, timezone, fromNs, untilNs, period }
  const samples = samplesOn(line, placed).filter(one => fromNs <= one.timeNs && one.timeNs < untilNs)
  const isLevel = levels.has(meter.aggregation)
  const earlier = isLevel ? movesBefore(segment, lines, placed) : []
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
  if (model.model === 'matrix') {
    const { cells, default: otherwise } = model
    const bare = otherwise && { default: unflooredCell(otherwise) }
    return { ...price, model: { ...model, cells: cells.map(unflooredCell), ...bare } }
  }
  if (model.model !== 'graduated' && model.model !== 'volume' && model.model !== 'stairstep') return price
  return { ...price, model: { ...model, tiers: model.tiers.map(tier => ({ ...tier, flatAmount: 0n })) } }
}

function unflooredCell<C extends CellPrice>(price: C): C {
  const { model } = price
  if (model === undefined) return { ...price, flatAmount: 0n }
  if (model.model === 'package') return price
  return { ...price, model: { ...model, tiers: model.tiers.map(tier => ({ ...tier, flatAmount: 0n })) } }
}

function samplesOn(line: Line, placed: readonly Placed[]): UsageSample[] {
  return placed.filter(one => one.line === line).map(one => sampleOf(one, one.cell, groupIn(line, one)))
}

/**
 * All usage on the meter in the subscription before the segment, each event once, whatever it was priced by,
 * as the segment's own price sees it. Usage for which that price has no cell does not count in its level.
 */
function movesBefore(
  { line, fromNs }: Segment,
  lines: readonly Line[],
  placed: readonly Placed[],
): UsageSample[] {
  const moves = new Map<Placed['usage'], UsageSample>()
  for (const one of placed) {
    const isOfMeter = line.price.kind === 'usage' && one.reading.meter.meter === line.price.meter
    if (!isOfMeter || !lines.includes(one.line) || one.usage.event.timeNs >= fromNs) continue
    const cell = cellOf(line, one.reading)
    if (cell !== undefined) moves.set(one.usage, sampleOf(one, cell, ''))
  }
  return [...moves.values()]
}

/** One text for each combination of values. */
function groupIn({ price }: Line, { reading }: Placed): string {
  const names = price.kind === 'usage' ? (price.groupBy ?? []) : []
  return names
    .map(name => canonical([reading.dimensions.has(name), reading.dimensions.get(name) ?? '']))
    .join()
}

function sampleOf({ usage: { event }, reading }: Placed, cell: number, group: string): UsageSample {
  return {
    timeNs: event.timeNs,
    quantity: reading.quantity,
    text: reading.text,
    // Of two samples at one time, the one with the greater id comes later, then the one with the greater
    // source.
    key: `${event.id}\u0000${event.source}`,
    cell,
    group,
  }
}

const levels: ReadonlySet<string> = new Set(['weighted_sum', 'time_average', 'persistent_unique_count'])

function levelAfter(earlier: readonly UsageSample[], aggregation: string): SlowLevel {
  const inOrder = earlier.toSorted((a, b) => {
    if (a.timeNs !== b.timeNs) return a.timeNs < b.timeNs ? -1 : 1
    return a.key < b.key ? -1 : 1
  })
  if (aggregation === 'persistent_unique_count') {
    const present = new Set<string>()
    for (const { text, quantity } of inOrder) {
      if (quantity > 0n) present.add(text)
      else present.delete(text)
    }
    return present
  }
  const counted = aggregation === 'weighted_sum' ? inOrder : inOrder.slice(-1)
  return counted.reduce((level, one) => level.plus(exactly(one.quantity)), exactly(0n))
}

const totals = new Map<string, Total>()
const mostTotals = 20_000

/** The same segment with the same samples has the same result after every prefix, so it is computed once. */
function remembered(key: string, total: () => Total): Total {
  let known = totals.get(key)
  if (known === undefined) {
    known = total()
    if (totals.size >= mostTotals) totals.clear()
    totals.set(key, known)
  }
  return known
}
