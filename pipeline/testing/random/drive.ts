// A core under test, a record of what it wrote, and a way to drive it without faults: one group of events at
// a time, answering from history until no customer is held, as `simulate` does.

import { Buffer } from 'node:buffer'
import type { Catalog } from '../../../schemas/catalog/catalog.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import type {
  DeadLetterRow,
  EventOutcomeRow,
  MrrMovementRow,
  RatedUsageRow,
} from '../../../schemas/tables.js'
import { formatInstant } from '../../../schemas/time.js'
import { type CoreInput, PartitionCore, type RowTap } from '../../core/core.js'
import { unlimitedCoreLimits } from '../../core/ports/core-limits.js'
import { MemoryHistory } from '../../core/re-rate/memory-history.js'
import { PartitionState } from '../../core/state/partition-state.js'

/** Runs are sealed in parts: hardly any random run has as many lines as a part of the pipeline. */
const limits = { ...unlimitedCoreLimits, runLinesPerCommit: 2 }
const config = { partition: 0, partitions: 1, oneSource: true, limits }

export const nothing: Omit<CoreInput, 'nowMs' | 'commit'> = {
  catalog: [],
  lifecycle: [],
  metering: [],
  orders: [],
  history: [],
}

export interface Driven {
  readonly core: PartitionCore
  readonly seen: Seen
}

/** Makes a core from a snapshot and the deltas after it, or a new one with a catalog. */
export function newCore(
  catalog: Catalog | undefined,
  tap: RowTap,
  snapshot?: Uint8Array,
  deltas: readonly Uint8Array[] = [],
): PartitionCore {
  if (catalog === undefined) return PartitionCore.restore(config, snapshot, deltas, tap)
  const state = new PartitionState(unlimitedCoreLimits.dedupeHorizonMs)
  state.catalog = catalog
  return new PartitionCore(config, tap, state)
}

function isOfSameEvent(one: RatedUsageRow, other: RatedUsageRow): boolean {
  return one.eventSource === other.eventSource && one.eventId === other.eventId && one.price === other.price
}

/** The net result of the rows that were written. */
export class Seen {
  readonly history = new MemoryHistory()
  /** Rows of usage since the last look. */
  fresh: RatedUsageRow[] = []
  /** By charge: the sum of its rows and how many events they count. */
  readonly rows = new Map<string, { amount: bigint; count: number }>()
  /** By source, id and code: how many dead letters stand now. */
  readonly deadLetters = new Map<string, number>()
  /** By disposition: how many events the rows of `event_outcomes` count. */
  readonly outcomes = new Map<string, number>()
  /** The net amount of movements, by all their fields except amount and totals. */
  readonly movements = new Map<string, bigint>()

  tap(): RowTap {
    return {
      only: true,
      rated: row => this.#rated(row),
      deadLetter: row => this.#deadLetter(row),
      outcome: row => this.#outcome(row),
      movement: row => this.#movement(row),
    }
  }

  #rated(row: RatedUsageRow): void {
    this.history.add(row)
    // What was written and taken back between two looks stands for nothing.
    if (row.eventCount < 0) this.fresh = this.fresh.filter(one => !isOfSameEvent(one, row))
    if (row.kind === 'usage' && row.price !== '') this.fresh.push(row)
    const sum = this.rows.get(row.chargeId) ?? { amount: 0n, count: 0 }
    this.rows.set(row.chargeId, { amount: sum.amount + row.amount, count: sum.count + row.eventCount })
  }

  #deadLetter({ eventSource, eventId, code, eventCount }: DeadLetterRow): void {
    const key = JSON.stringify([eventSource, eventId, code])
    const times = (this.deadLetters.get(key) ?? 0) + eventCount
    if (times === 0) this.deadLetters.delete(key)
    else this.deadLetters.set(key, times)
  }

  #outcome({ disposition, eventCount }: EventOutcomeRow): void {
    this.outcomes.set(disposition, (this.outcomes.get(disposition) ?? 0) + eventCount)
  }

  #movement({ subscriptionId, currency, effectiveAtNs, kind, amount }: MrrMovementRow): void {
    const key = JSON.stringify([subscriptionId, currency, formatInstant(effectiveAtNs), kind])
    const sum = (this.movements.get(key) ?? 0n) + amount
    if (sum === 0n) this.movements.delete(key)
    else this.movements.set(key, sum)
  }
}

/** `after` is called when a group of events has been processed. */
export function drive(
  catalog: Catalog,
  batches: readonly (readonly unknown[])[],
  nowMs: number,
  after: (driven: Driven, batches: number) => void,
): void {
  const seen = new Seen()
  const core = newCore(catalog, seen.tap())
  let commit = 0
  for (const [index, batch] of batches.entries()) {
    const bytes = Buffer.from(stringifyJson(batch))
    commit += 1
    core.process({ ...nothing, nowMs, commit, metering: [{ seq: index, arrivedAtMs: nowMs, bytes }] })
    while (core.holdsCustomers()) {
      commit += 1
      const history = core.openHistoryRequests().map(request => seen.history.answer(request))
      core.process({ ...nothing, nowMs, commit, history })
    }
    after({ core, seen }, index + 1)
    seen.fresh = []
  }
}
