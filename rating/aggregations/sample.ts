// One event as one meter sees it, and the order of events in time.
// Invariant: the order is total and depends on nothing but the events: time, then the greater id, then the source.

import type { Scaled } from '../../schemas/money/decimal.js'

export interface UsageSample {
  readonly timeNs: bigint
  /** The meter's value; one for `count`. */
  readonly quantity: Scaled
  /** For `unique_count` the distinct value as text, else ''. */
  readonly text: string
  /** `compositeKey(source, id)`. */
  readonly key: string
  /** The matrix cell; -1 for the default amount; 0 when the price is no matrix. */
  readonly cell: number
  /** Of a price with `group_by`, as groupOf (models/grouped) tells it; '' for any other. */
  readonly group: string
  /** Set where the meter has windows: the number of the event's. */
  readonly window?: number
}

/** Below 0 when the event (timeA, keyA) comes before (timeB, keyB). */
export function compareEvents(timeA: bigint, keyA: string, timeB: bigint, keyB: string): number {
  if (timeA !== timeB) return timeA < timeB ? -1 : 1
  return keyA === keyB ? 0 : compareKeys(keyA, keyB)
}

/** Where an event belongs in parallel arrays in order: the index of the first that comes after it. */
export function insertionIndex(
  times: readonly bigint[],
  keys: readonly string[],
  timeNs: bigint,
  key: string,
): number {
  let low = 0
  let high = times.length
  // Events mostly arrive in order, so the end is tried first.
  if (high === 0 || compareEvents(times[high - 1] as bigint, keys[high - 1] as string, timeNs, key) <= 0) {
    return high
  }
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareEvents(times[middle] as bigint, keys[middle] as string, timeNs, key) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

function compareKeys(a: string, b: string): number {
  const idA = idOf(a)
  const idB = idOf(b)
  if (idA !== idB) return idA < idB ? -1 : 1
  return a < b ? -1 : 1
}

/** The id in a composite key of source and id; of any other text the text itself. */
export function idOf(key: string): string {
  const sourceColon = key.indexOf(':')
  const sourceEnd = sourceColon + 1 + Number(key.slice(0, sourceColon))
  const idColon = key.indexOf(':', sourceEnd)
  const wellFormed = sourceColon > 0 && idColon > sourceEnd
  return wellFormed ? key.slice(idColon + 1) : key
}
