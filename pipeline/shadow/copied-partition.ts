// A copy of a partition's state that takes messages and tells what becomes of them. It runs in the thread of a shadow and
// keeps, of what it wrote, no more than the outcome needs. No clock, no I/O.
// Invariants: the same core as in the pipeline decides everything; rows go nowhere but into the outcome.

import { conservationGap, dispositions, zeroDispositions } from '../../schemas/event/dispositions.js'
import { compositeKey } from '../../schemas/identifiers.js'
import type { Scaled } from '../../schemas/money/decimal.js'
import type { DeadLetterRow, RatedUsageRow } from '../../schemas/tables.js'
import { type CoreConfig, type CoreInput, type HistoryRequest, PartitionCore } from '../core/core.js'
import { MemoryHistory } from '../core/re-rate/memory-history.js'
import type { PartitionState } from '../core/state/partition-state.js'
import type { WaitingEvent } from '../core/state/records.js'
import type { ChargeChange, EventIdentity, Fate, Outcome, StoredAnswer } from './protocol.js'

export type CopyInput = Pick<CoreInput, 'nowMs' | 'catalog' | 'lifecycle' | 'metering'>

interface Written {
  added: number
  amount: Scaled
}

type Moved = Omit<ChargeChange, 'before' | 'after'> & { amount: Scaled }

/** Nets of events that a copy holds in memory; what would need more is refused. */
const mostNets = 2_000_000

export class CopiedPartition {
  readonly #state: PartitionState
  readonly #core: PartitionCore
  /** What this copy wrote: the database has the rows up to the commit of the copy. */
  readonly #history = new MemoryHistory()
  #written = new Map<string, Written>()
  #moved = new Map<string, Moved>()
  #deadLetters = new Map<string, { readonly row: DeadLetterRow; count: number }>()
  #commit: number
  #counters: ReturnType<PartitionCore['counters']>

  constructor(config: CoreConfig, state: PartitionState, commit: number) {
    this.#state = state
    this.#commit = commit
    const tap = {
      only: true,
      rated: (row: RatedUsageRow) => this.#rated(row),
      deadLetter: (row: DeadLetterRow) => this.#deadLetter(row),
    }
    this.#core = new PartitionCore(config, tap, state)
    this.#counters = this.#core.counters()
  }

  /** Answers the history that it needs before the outcome is whole. */
  feed(input: CopyInput, stored: readonly StoredAnswer[]): readonly HistoryRequest[] {
    this.#commit += 1
    const history = stored.map(({ request, rows }) => this.#history.answer(request, rows))
    this.#core.process({ ...input, commit: this.#commit, orders: [], history })
    if (this.#history.size > mostNets) {
      throw new Error(
        `shadow_too_large: a copy holds at most ${mostNets} events on charges; try a smaller part`,
      )
    }
    return this.#core.openHistoryRequests()
  }

  /** To be called when no history is awaited. The next outcome begins here. */
  take(asked: readonly EventIdentity[]): Outcome {
    const waiting = new Map([...this.#state.maps.waiting.values()].map(one => [one.event.key, one]))
    const outcome = {
      counts: this.#counts(),
      fates: asked.map(one => this.#fateOf(one, waiting)),
      charges: this.#changes(),
    }
    this.#written = new Map()
    this.#moved = new Map()
    this.#deadLetters = new Map()
    return outcome
  }

  #counts() {
    const [before, after, counts] = [this.#counters, this.#core.counters(), zeroDispositions()]
    counts.received = after.received - before.received
    for (const name of dispositions) counts[name] = after[name] - before[name]
    if (conservationGap(counts) !== 0) throw new Error('The conservation law does not hold in the copy.')
    this.#counters = after
    return counts
  }

  #fateOf({ source, id }: EventIdentity, waiting: ReadonlyMap<string, WaitingEvent>): Fate {
    const key = compositeKey(source, id)
    const refused = this.#deadLetters.get(key)
    if (refused !== undefined && refused.count > 0) {
      const { code, detail } = refused.row
      return { source, id, kind: 'dead_lettered', code, detail }
    }
    const written = this.#written.get(key)
    const waits = waiting.get(key)?.state
    if (waits?.kind === 'refused' || waits?.kind === 'unreadable') {
      return { source, id, kind: 'dead_lettered', code: waits.rejection.code, detail: waits.rejection.detail }
    }
    if (waits !== undefined) return { source, id, kind: 'waiting' }
    if (written === undefined) return { source, id, kind: 'no_rows' }
    return { source, id, kind: written.added > 0 ? 'rated' : 'taken_back', amount: written.amount }
  }

  #changes(): ChargeChange[] {
    const changes: ChargeChange[] = []
    for (const { amount, ...charge } of this.#moved.values()) {
      if (amount === 0n) continue
      const after = this.#state.maps.charges.stopRunning(charge.chargeId)?.emitted ?? 0n
      changes.push({ ...charge, before: after - amount, after })
    }
    return changes.sort((a, b) => (a.chargeId < b.chargeId ? -1 : 1))
  }

  #rated(row: RatedUsageRow): void {
    this.#history.add(row)
    if (row.eventCount !== 0) {
      const key = compositeKey(row.eventSource, row.eventId)
      const written = this.#written.get(key) ?? { added: 0, amount: 0n }
      if (row.eventCount > 0) written.added += 1
      written.amount += row.amount
      this.#written.set(key, written)
    }
    if (row.chargeId === '') return
    const moved = this.#moved.get(row.chargeId)
    if (moved === undefined) this.#moved.set(row.chargeId, movedBy(row))
    else moved.amount += row.amount
  }

  #deadLetter(row: DeadLetterRow): void {
    const key = compositeKey(row.eventSource, row.eventId)
    const count = (this.#deadLetters.get(key)?.count ?? 0) + row.eventCount
    this.#deadLetters.set(key, { row: { ...row, payload: '' }, count })
  }
}

function movedBy(row: RatedUsageRow): Moved {
  const { chargeId, customerId, subscriptionId, plan, planVersion, price, meter, currency, entityId } = row
  const owner = { chargeId, customerId, subscriptionId, plan, planVersion, price, meter, currency, entityId }
  return { ...owner, fromNs: row.periodFromNs, untilNs: row.periodUntilNs, amount: row.amount }
}
