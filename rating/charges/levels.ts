// Levels: the values of `weighted_sum`, `time_average` and persistent `unique_count` when a segment begins. Contract
// section 3: a level is not usage; it belongs to a meter of a subscription, survives changes of price, plan and terms, and carries over through
// suspensions, cancellations and gaps in which no price uses the meter.
// Invariants: a level follows from the set of events that are attached to the meter in the subscription, each counted
// once, however many prices the meter has; it is kept by dimensions, so that a matrix finds it under any cells.
//
// The changes of a level are kept per interval between two starts of segments on the meter. A level is asked for only at
// such a start, so the intervals before it hold exactly the events before it.

import type { Aggregation } from '../../schemas/catalog/aggregations.js'
import type { UsagePrice } from '../../schemas/catalog/catalog.js'
import type { MeterReading } from '../../schemas/event/metered-event.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { magnitude, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import { beginninglessNs } from '../../schemas/time.js'
import type { Level } from '../aggregations/level.js'
import { isAdding } from '../aggregations/persistent-unique-count.js'
import { aggregatorOf } from '../aggregations/registry.js'
import { compareEvents } from '../aggregations/sample.js'
import { cellOf } from '../models/registry.js'
import { type PriceLine, segmentAt } from '../timeline/price-lines.js'

/** What events of one combination of dimensions did: the sum of their changes, the value that came last, or what was last done
 * to each value. */
export type LevelMove =
  | { readonly kind: 'changes'; readonly dimensions: Dimensions; readonly sum: Scaled }
  | {
      readonly kind: 'value'
      readonly dimensions: Dimensions
      readonly timeNs: bigint
      readonly key: string
      readonly value: Scaled
    }
  | { readonly kind: 'members'; readonly dimensions: Dimensions; readonly last: Map<string, LastOperation> }

export interface LastOperation {
  readonly timeNs: bigint
  readonly key: string
  readonly adds: boolean
}

type Dimensions = ReadonlyMap<string, string>

/** Plain data. */
export interface LevelStretch {
  readonly customerId: string
  readonly subscriptionId: string
  readonly meter: string
  /** The latest start of a segment on the meter at or before its events. */
  readonly fromNs: bigint
  /** By `dimensionsKey`. */
  readonly moves: Map<string, LevelMove>
}

/** What an event does to the level of a meter with this aggregation. */
export function moveOf(
  aggregation: Aggregation,
  event: { readonly timeNs: bigint; readonly key: string },
  { dimensions, quantity, text }: MeterReading,
): LevelMove {
  const { level } = aggregatorOf(aggregation)
  if (level === 'changes') return { kind: 'changes', dimensions, sum: quantity }
  if (level === 'members') {
    const { timeNs, key } = event
    return { kind: 'members', dimensions, last: new Map([[text, { timeNs, key, adds: isAdding(quantity) }]]) }
  }
  return { kind: 'value', dimensions, timeNs: event.timeNs, key: event.key, value: quantity }
}

/** Both in one, in whatever order they come. Of members the known one is changed and returned: it belongs to the caller. */
export function joined(known: LevelMove | undefined, move: LevelMove): LevelMove {
  if (known === undefined) return move.kind === 'members' ? { ...move, last: new Map(move.last) } : move
  if (known.kind === 'members') return move.kind === 'members' ? joinedMembers(known, move) : otherKind()
  if (known.kind === 'changes') {
    return move.kind === 'changes' ? { ...known, sum: known.sum + move.sum } : otherKind()
  }
  if (move.kind !== 'value') return otherKind()
  return compareEvents(known.timeNs, known.key, move.timeNs, move.key) < 0 ? move : known
}

function joinedMembers(known: Members, move: Members): Members {
  for (const [value, one] of move.last) {
    const before = known.last.get(value)
    if (before === undefined || compareEvents(before.timeNs, before.key, one.timeNs, one.key) < 0)
      known.last.set(value, one)
  }
  return known
}

type Members = Extract<LevelMove, { kind: 'members' }>

/** Equal texts, equal dimensions. */
export function dimensionsKey(dimensions: Dimensions): string {
  if (dimensions.size === 0) return ''
  return compositeKey(...[...dimensions].sort(([a], [b]) => (a < b ? -1 : 1)).flat())
}

/** The latest start of a segment at or before an instant, also of lines that have ended by then; `lines`: of the meter. */
export function stretchStart(lines: readonly PriceLine<UsagePrice>[], atNs: bigint): bigint {
  let fromNs = beginninglessNs
  for (const line of lines) {
    if (line.fromNs > atNs) continue
    const segment = segmentAt(line, atNs < line.untilNs ? atNs : line.untilNs - 1n)
    if (segment !== undefined && segment.fromNs > fromNs) fromNs = segment.fromNs
  }
  return fromNs
}

/**
 * The levels by the cells of one price, stretch after stretch; cell 0 for any model but a matrix. A level in dimensions
 * that the price has no cell for is nothing to it, and is there again when another price knows them.
 */
export class LevelsByCell {
  readonly #price: UsagePrice
  readonly #cells = new Map<string, number | undefined>()
  readonly #moves = new Map<number, LevelMove>()

  constructor(price: UsagePrice) {
    this.#price = price
  }

  add(stretch: LevelStretch): void {
    for (const [key, move] of stretch.moves) {
      const cell = this.#cellOf(key, move)
      if (cell !== undefined) this.#moves.set(cell, joined(this.#moves.get(cell), move))
    }
  }

  /** They are the caller's. */
  levels(): Map<number, Level> {
    const levels = new Map<number, Level>()
    for (const [cell, move] of this.#moves) levels.set(cell, levelOf(move))
    return levels
  }

  #cellOf(key: string, { dimensions }: LevelMove): number | undefined {
    if (!this.#cells.has(key)) this.#cells.set(key, cellOf(this.#price, dimensions))
    return this.#cells.get(key)
  }
}

function levelOf(move: LevelMove): Level {
  if (move.kind === 'changes') return move.sum
  if (move.kind === 'value') return move.value
  return new Set([...move.last].filter(([, { adds }]) => adds).map(([value]) => value))
}

/** No level that the moves make is beyond the sum of these. */
export function moveSize(move: LevelMove | undefined): Scaled {
  if (move === undefined) return 0n
  if (move.kind === 'members') return BigInt(move.last.size) * scaledOne
  return magnitude(move.kind === 'changes' ? move.sum : move.value)
}

function otherKind(): never {
  throw new Error('A level is moved in one of three ways, never in two.')
}
