// PartitionCore: the state of one partition and the pure function that applies input to it. The workers and `simulate` run
// the same code.
// Invariants: no clock, no I/O, no randomness: the same state and input give the same output; received = the sum of the dispositions after every call (I5), or it throws.

import type { Charge } from '../../schemas/billing/charge.js'
import type { MrrMovement } from '../../schemas/billing/mrr-movement.js'
import { conservationGap, type DispositionCounts, dispositions } from '../../schemas/event/dispositions.js'
import { chargesOwed } from './billing/owed.js'
import { sealRun } from './billing/seal.js'
import { decodeMessages, holdsUsageOnly, type InputMessage } from './decode/decode.js'
import { expireAddedCharges, settleAddedCharges } from './lifecycle/added-charges.js'
import { applyGlobalEvents } from './lifecycle/apply-catalog.js'
import { applyLifecycleEvents, expireChanges, retryUnknown } from './lifecycle/apply-lifecycle.js'
import { type Notice, noticesOfState } from './lifecycle/notices.js'
import { CustomerChanges, settleCustomers } from './lifecycle/settle-customers.js'
import type { CoreConfig, CoreInput, CoreOutput, Handover, HistoryRequest } from './ports/core-io.js'
import { UsageReader } from './rate/usage-reader.js'
import { expireAmendments } from './re-rate/expire-amended.js'
import { openRequests } from './re-rate/hold.js'
import { payloadFromReadings } from './re-rate/payload.js'
import { applyHistory } from './re-rate/re-rate.js'
import { expireRetractions, settleRetractions } from './re-rate/retract.js'
import { settleAmendments } from './re-rate/settle-amended.js'
import { expireWaiting, placeEvent } from './re-rate/waiting.js'
import { EventOutcomeColumns } from './rows/event-outcome-columns.js'
import { LedgerWriter, type RowTap } from './rows/ledger-writer.js'
import { RatedUsageColumns } from './rows/rated-usage-columns.js'
import type { DedupeSegment, DedupeTable } from './state/dedupe-table.js'
import type { KeyedEvent } from './state/metered-event.js'
import { PartitionState } from './state/partition-state.js'
import { PriceBook } from './state/price-book.js'
import { admit } from './step/admit.js'
import { dayOf } from './step/dedupe.js'
import { SchemaBook } from './step/schema-book.js'
import { Step } from './step/step.js'
import { UsagePlacer } from './usage/place-usage.js'

export type { InputMessage } from './decode/decode.js'
export type {
  BillingRunOrder,
  CoreConfig,
  CoreInput,
  CoreOutput,
  Handover,
  HistoryAnswer,
  HistoryRequest,
  HistoryRow,
  LedgerOutput,
} from './ports/core-io.js'
export type { RowTap } from './rows/ledger-writer.js'

export class PartitionCore {
  readonly #config: CoreConfig
  readonly #state: PartitionState
  readonly #book: PriceBook
  readonly #tap: RowTap | undefined
  readonly #ratedUsage: RatedUsageColumns
  readonly #outcomes: EventOutcomeColumns
  readonly #usage = new UsagePlacer()
  readonly #reader = new UsageReader()
  readonly #schemas = new SchemaBook()

  /** `tap` sees every row as it is written, before it is encoded. */
  constructor(config: CoreConfig, tap?: RowTap, state?: PartitionState) {
    this.#config = config
    this.#state = state ?? new PartitionState(config.limits.dedupeHorizonMs)
    this.#book = new PriceBook(this.#state)
    this.#tap = tap
    const { outputChunkRows, outputChunkBytes } = config.limits
    this.#ratedUsage = new RatedUsageColumns(outputChunkRows, outputChunkBytes)
    this.#outcomes = new EventOutcomeColumns(outputChunkRows, outputChunkBytes)
    this.#state.routes.clear() // those of another core name terms that it kept
    this.#state.routes.takeReleasedTerms()
  }

  /** The deltas are those after the snapshot, in their order. `dedupe`: a table that holds the segments, if any. */
  static restore(
    config: CoreConfig,
    snapshot: Uint8Array | undefined,
    deltas: readonly Uint8Array[],
    tap?: RowTap,
    dedupe?: DedupeTable,
  ): PartitionCore {
    const state = PartitionState.restore(config.limits.dedupeHorizonMs, snapshot, deltas, dedupe)
    return new PartitionCore(config, tap, state)
  }

  process(input: CoreInput): CoreOutput {
    this.#freeTerms()
    const out = new LedgerWriter(this.#config, input, this.#tap, this.#ratedUsage, this.#outcomes)
    this.#schemas.use(this.#state.catalog)
    const step = new Step(this.#config, this.#state, this.#book, out, this.#reader, input, this.#schemas)
    for (const key of input.handedOver ?? []) this.#state.maps.handovers.delete(key)
    this.#state.dedupe.sweep(dayOf(step.nowMs))
    const mixedUntil = this.#config.oneSource === true ? mixedLength(input.metering) : 0
    const usageOnly = input.metering.slice(mixedUntil)
    const admitted = admit(step, {
      CATALOG: decodeMessages(input.catalog, 'CATALOG'),
      LIFECYCLE: decodeMessages(input.lifecycle, 'LIFECYCLE'),
      METERING: decodeMessages(input.metering.slice(0, mixedUntil)),
    })
    const touched = new CustomerChanges()
    if (applyGlobalEvents(step, admitted.global)) {
      this.#schemas.use(this.#state.catalog)
      retryUnknown(step, touched)
    }
    applyLifecycleEvents(step, admitted.lifecycle, touched)
    expireChanges(step, touched)
    settleCustomers(step, touched)
    settleAddedCharges(step)
    expireAddedCharges(step)
    this.#usage.placeAdmitted(step, admitted.usage)
    for (const message of usageOnly) this.#usage.place(step, message)
    applyHistory(step, input.history)
    settleAmendments(step)
    expireWaiting(step)
    settleRetractions(step)
    expireRetractions(step)
    expireAmendments(step)
    const sealedRuns: string[] = []
    let goesOn = false
    for (const order of input.orders) {
      const sealing = sealRun(step, order)
      if (sealing === 'sealed') sealedRuns.push(order.billingRunId)
      goesOn = sealing === 'goes_on'
      if (goesOn) break
    }
    return this.#finish(step, sealedRuns, goesOn)
  }

  /**
   * Places events that were read by their meters before, as history and waiting events hold them. Nothing tells duplicates
   * apart: each event comes once. For copies of the state; the pipeline reads bytes.
   */
  placeRead(events: readonly KeyedEvent[], at: Pick<CoreInput, 'nowMs' | 'commit'>): CoreOutput {
    this.#freeTerms()
    const out = new LedgerWriter(this.#config, at, this.#tap, this.#ratedUsage, this.#outcomes)
    const step = new Step(this.#config, this.#state, this.#book, out, this.#reader, at)
    const { catalog } = this.#book
    for (const event of events) placeEvent(step, event, () => payloadFromReadings(event, catalog), 'received')
    return this.#finish(step, [], false)
  }

  /** To be called between calls, when no row needs released terms. */
  #freeTerms(): void {
    const { routes } = this.#state
    if (this.#ratedUsage.isFull) {
      routes.clear()
      routes.takeReleasedTerms()
      this.#ratedUsage.forgetTerms()
    }
    for (const terms of routes.takeReleasedTerms()) this.#ratedUsage.release(terms)
  }

  snapshot(): Uint8Array {
    return this.#state.snapshot()
  }

  /** The state without the dedupe table, and what that table has seen since it was asked last. */
  takeSnapshot(): { readonly state: readonly Uint8Array[]; readonly dedupe: DedupeSegment } {
    return this.#state.takeSnapshot()
  }

  openHistoryRequests(): HistoryRequest[] {
    return openRequests(this.#state)
  }

  openHandovers(): Handover[] {
    const { handovers } = this.#state.maps
    return handovers.size === 0 ? [] : [...handovers.values()]
  }

  holdsCustomers(): boolean {
    return this.#state.held.size > 0
  }

  counters(): DispositionCounts {
    return { ...this.#state.counters }
  }

  /** Every charge whose segment began before `asOfNs`, by customer, subscription and then as `chargesOf` orders them. */
  charges(asOfNs: bigint): Charge[] {
    return this.#customers().flatMap(id => chargesOwed(this.#state, this.#book, id, asOfNs))
  }

  /** The net movements of the timelines as they are, effective by `asOfNs` at the latest. */
  movements(asOfNs: bigint): MrrMovement[] {
    return this.#customers()
      .flatMap(id => this.#state.customer(id).movements)
      .filter(movement => movement.effectiveAtNs <= asOfNs)
  }

  /** Notices of parts of applied changes that have no effect yet, and of retractions whose event has not come. */
  notices(): Notice[] {
    return noticesOfState(this.#state, this.#book)
  }

  #customers(): string[] {
    return [...this.#state.maps.customers.keys()].sort()
  }

  #finish(step: Step, sealedRuns: readonly string[], goesOn: boolean): CoreOutput {
    const { counters } = this.#state
    const hasCounts = dispositions.some(name => step.counts[name] !== 0) || step.counts.received !== 0
    if (hasCounts) {
      counters.received += step.counts.received
      for (const name of dispositions) counters[name] += step.counts[name]
      step.out.dispositions(step.counts)
    }
    const gap = conservationGap(counters)
    if (gap !== 0) throw new Error(`The conservation law does not hold: ${gap} events are unaccounted for.`)
    const outputs = step.out.take()
    const changed = hasCounts || outputs.length > 0 || this.#state.changed
    return {
      delta: this.#state.takeDelta(),
      outputs,
      historyRequests: this.openHistoryRequests(),
      handovers: this.openHandovers(),
      heldBytes: this.#state.waitingBytes,
      counters: { ...counters },
      changed,
      sealedRuns,
      goesOn,
    }
  }
}

/**
 * How many messages there are up to the last one that may hold changes. Changes are applied before the usage of the same
 * call; these messages are decoded together, so that of events with one identity the first is kept.
 */
function mixedLength(metering: readonly InputMessage[]): number {
  return metering.findLastIndex(message => !holdsUsageOnly(message)) + 1
}
