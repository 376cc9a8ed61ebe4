// One session of owning a partition: from a claim to a drain, a failure, or the loss of the claim.
//
// gather -> process in the worker -> commit; the next step is processed while the last one commits.
// Invariants:
// 1. The state in the worker is the committed state plus at most two steps. When a commit fails the session
//    ends and the state is dropped; the next session begins with a claim.
// 2. Commits are published one after another, each under the sequence of the checkpoint before it.
// 3. A billing order is processed in steps of its own, and only when no customer is held for history. Between two steps of an
//    order other input that is there has a step. CONTROL moves past the order with its last step, so that a crash in the
//    middle goes on where the state says.

import { addTableFigures } from '../../schemas/rows/row-figures.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { natsSubjects } from '../broker/topology.js'
import type { HistoryAnswer } from '../core/ports/core-io.js'
import { type Checkpoint, type Positions, readLastSequence } from '../ledger/checkpoint.js'
import { buildCommit, type Committed, type LedgerAccess, publishCommit } from '../ledger/commit.js'
import { describe, Fenced, ProcessingError } from '../ledger/failures.js'
import { release } from '../memory/transfer.js'
import { beginSpan, linkIn, type OpenSpan } from '../tracing/spans.js'
import {
  type PackedMessages,
  type PartitionWorker,
  type Processed,
  packMessages,
} from '../workers/protocol.js'
import { BillingOrders, type DueOrders } from './billing-orders.js'
import type { Claim } from './claim.js'
import { untilCommitMs } from './commit-interval.js'
import type { EngineOptions } from './engine.js'
import { HandoverDesk } from './handover-desk.js'
import { HistoryDesk } from './history-desk.js'
import { earliest, PartitionInputs, type TakenInputs } from './inputs.js'
import { restoreBytes } from './restore.js'
import type { Snapshots } from './snapshots.js'
import { Wake } from './wake.js'

/** The input of one step, that is, of one call of the core. */
interface Batch extends TakenInputs {
  readonly due: DueOrders | undefined
  readonly answers: readonly HistoryAnswer[]
  /** Keys of handovers that were published. */
  readonly handedOver: readonly string[]
}

const nothingTaken: TakenInputs = { catalog: [], lifecycle: [], metering: [], bytes: 0 }
/** How often `holdsBack` is asked again: nothing wakes the session when it becomes false. */
const holdsBackAgainMs = 200
/** The assumed bytes per event until the first step has measured them. */
const assumedEventBytes = 250

export class Session {
  readonly #options: EngineOptions
  readonly #access: LedgerAccess
  readonly #worker: PartitionWorker
  readonly #claim: Claim
  readonly #snapshots: Snapshots
  readonly #wake = new Wake()
  readonly #orders: BillingOrders
  readonly #desk: HistoryDesk
  readonly #handovers: HandoverDesk
  #inputs: PartitionInputs | undefined
  #failure: Error | undefined
  #draining = false
  /** The newest commit that is known to be stored. */
  #checkpoint: Checkpoint
  #stateSeq: number
  /** LEDGER sequence of the last table row that is known to be stored. */
  #rowsSeq = 0
  #commitNumber: number
  #controlSeq: number
  #processed: Positions
  #quietMoved = 0
  /** The last step carried out an order in part: other input has the next step. */
  #orderGoesOn = false
  #inFlight: Promise<void> = Promise.resolve()
  #received: number
  #eventBytes = assumedEventBytes
  #processedAtMs = 0
  /** When the oldest usage in the commit under way came to the broker. */
  #arrivedAtMs: number | undefined
  /** When the oldest input of the step that is processed, and of the one that commits, came to the broker. */
  readonly #oldest: { processing: number | undefined; committing: number | undefined } = {
    processing: undefined,
    committing: undefined,
  }
  #lastCommitAtMs: number | undefined
  #committingSinceMs: number | undefined
  #heldBytes = 0
  #holdsCustomers = false

  constructor(
    options: EngineOptions,
    access: LedgerAccess,
    worker: PartitionWorker,
    claim: Claim,
    snapshots: Snapshots,
  ) {
    this.#options = options
    this.#access = access
    this.#worker = worker
    this.#claim = claim
    this.#snapshots = snapshots
    this.#checkpoint = claim.checkpoint
    this.#stateSeq = claim.seq
    this.#commitNumber = claim.checkpoint.commit
    this.#received = claim.checkpoint.counters.received
    this.#processed = claim.checkpoint.positions
    this.#controlSeq = claim.checkpoint.positions.CONTROL.seq
    const { partition, log } = options
    this.#orders = new BillingOrders(partition, detail =>
      log.error({ partition, detail }, 'unreadable order'),
    )
    this.#desk = new HistoryDesk({
      source: options.history,
      limits: access.limits,
      signal: access.signal,
      onAnswer: () => this.#wake.ring(),
      onRetry: access.onRetry,
    })
    this.#handovers = new HandoverDesk(access, () => this.#wake.ring())
  }

  get status() {
    const { epoch, owner, commit, counters } = this.#checkpoint
    return {
      epoch,
      owner,
      commit,
      counters,
      positions: this.#checkpoint.positions,
      lag: this.#inputs?.lag ?? { metering: 0, lifecycle: 0, catalog: 0 },
      oldestWaitingAtMs: earliest(
        this.#oldest.committing,
        this.#oldest.processing,
        this.#inputs?.oldestArrivedAtMs,
      ),
      heldBytes: this.#heldBytes,
      lastCommitAtMs: this.#lastCommitAtMs,
      committingSinceMs: this.#committingSinceMs,
    }
  }

  /** Loads the state into the worker and begins to read. */
  async restore(): Promise<void> {
    const { partition, partitions, limits } = this.#options
    const config = { partition, partitions, limits: limits.core }
    const bytes = await restoreBytes(this.#access, this.#claim, this.#snapshots.store)
    const { snapshot, deltas, manifest } = bytes
    const segments = manifest?.segments ?? []
    const bytesInAll = segments.reduce((sum, segment) => sum + segment.bytes, 0)
    for (const [index, { object }] of segments.entries()) {
      const entries = await this.#snapshots.store.read(object)
      await this.#worker.load({ config, index, entries, bytesInAll })
    }
    const opened = await this.#worker
      .open({ config, snapshot, deltas, segments: segments.length })
      .catch(cause => {
        throw new ProcessingError(`the state cannot be opened: ${describe(cause)}`, { cause })
      })
    this.#snapshots.restored(bytes)
    this.#holdsCustomers = opened.holdsCustomers
    for (const table of ['rated_usage', 'event_dispositions']) {
      const natsSubject = natsSubjects.ledger(partition, table)
      this.#rowsSeq = Math.max(this.#rowsSeq, await readLastSequence(this.#access.jsm, 'LEDGER', natsSubject))
    }
    this.#desk.ask(opened.historyRequests, this.#rowsSeq)
    this.#handovers.publish(opened.handovers)
    this.#inputs = await PartitionInputs.open(this.#access, this.#claim, partitions, {
      onMessage: () => this.#wake.ring(),
      onInterruption: this.#access.onRetry,
      onFailure: failure => this.#fail(failure),
    })
  }

  /** Runs until `drain` (returns), or until it cannot go on (throws). */
  async run(): Promise<void> {
    for (;;) {
      const batch = await this.#gather()
      if (batch === undefined) break
      const end = this.#options.underWay.begin()
      try {
        if (!(await this.#commitBatch(batch))) continue
      } finally {
        this.#inFlight.then(end, end)
      }
      await this.#snapshotIfDue()
    }
    await this.#inFlight
  }

  /** Processes one step and begins to commit its result; false when nothing came of it. */
  async #commitBatch(batch: Batch): Promise<boolean> {
    const before = this.#inputs!.positions(this.#controlSeq)
    const span = spanOf(batch, this.#options.partition)
    this.#oldest.processing = earliest(batch.lifecycle[0]?.arrivedAtMs, batch.metering[0]?.arrivedAtMs)
    const result = await this.#process(batch)
    await this.#inFlight // invariant 2
    this.#oldest.committing = this.#oldest.processing
    this.#oldest.processing = undefined
    this.#desk.settled(batch.answers)
    this.#handovers.settled(batch.handedOver)
    this.#orderGoesOn = result.goesOn
    if (batch.due !== undefined && !result.goesOn) {
      this.#orders.carriedOut(batch.due.seq)
      this.#controlSeq = batch.due.seq
    }
    const positions = { ...before, CONTROL: { ...before.CONTROL, seq: this.#controlSeq } } // invariant 3
    this.#processed = positions
    this.#holdsCustomers = result.holdsCustomers
    this.#heldBytes = result.heldBytes
    const isNothing = !result.changed && batch.bytes === 0 && batch.due === undefined
    if (isNothing && this.#quietMoved === 0) {
      span?.end()
      return false
    }
    this.#arrivedAtMs = batch.metering[0]?.arrivedAtMs
    this.#startCommit(result, positions, span)
    return true
  }

  /** Ends `run` after the current step. The next session reads again what was read and not processed. */
  drain(): void {
    this.#draining = true
    this.#wake.ring()
  }

  /** Stops reading and drops the state in the worker. */
  async close(): Promise<void> {
    this.#inputs?.stop()
    this.#fail(new Fenced('the session is over'))
    await this.#worker.close().catch(() => undefined) // a thread that died holds nothing
  }

  #fail(failure: Error): void {
    this.#failure ??= failure
    this.#wake.ring()
  }

  async #gather(): Promise<Batch | undefined> {
    const { limits } = this.#access
    for (;;) {
      this.#access.signal.throwIfAborted()
      if (this.#failure !== undefined) throw this.#failure
      if (this.#draining) return undefined
      for (const message of this.#inputs!.takeControl()) this.#orders.add(message)
      const due = this.#orders.due(this.#processed, this.#holdsCustomers)
      if (due !== undefined && !this.#orderGoesOn) return orderOf(due)
      const nowMs = Date.now()
      const holdsBack = this.#options.holdsBack?.() === true
      const pause = holdsBack || (this.#desk.count > 0 && this.#heldBytes > limits.heldPauseBytes)
      const ready = this.#inputs!.ready(pause)
      const wantedBytes = Math.min(limits.commitMaxBytes, limits.commitMaxEvents * this.#eventBytes)
      if (due !== undefined && ready.count === 0) return orderOf(due)
      const { oldestReadAtMs } = ready
      const lingerMs = untilCommitMs(limits, oldestReadAtMs, this.#processedAtMs, nowMs)
      const lingered = ready.catchingUp || lingerMs <= 0 || due !== undefined
      const isAnswered = this.#desk.hasAnswers || this.#handovers.hasPublished
      if (isAnswered || ready.bytes >= wantedBytes || (ready.count > 0 && lingered)) {
        const answers = this.#desk.takeAnswers()
        const handedOver = this.#handovers.takePublished()
        return { ...this.#inputs!.take(wantedBytes, pause), due: undefined, answers, handedOver }
      }
      const sinceMs = nowMs - this.#processedAtMs
      if (sinceMs >= limits.tickMs) return await this.#tick()
      const askAgainMs = holdsBack ? holdsBackAgainMs : Number.POSITIVE_INFINITY
      await this.#wake.wait(Math.max(1, Math.min(lingerMs, limits.tickMs - sinceMs, askAgainMs)))
    }
  }

  /** An empty step: parked usage expires by the clock, also when no message arrives. */
  async #tick(): Promise<Batch> {
    const before = this.#checkpoint.positions
    await this.#inputs!.skipQuiet().catch(error => this.#access.onRetry(describe(error)))
    const now = this.#inputs!.positions(this.#controlSeq)
    const moved = now.METERING.seq - before.METERING.seq + (now.LIFECYCLE.seq - before.LIFECYCLE.seq)
    this.#quietMoved = moved >= this.#access.limits.idleCheckpointSequences ? moved : 0
    return { ...nothingTaken, due: undefined, answers: [], handedOver: [] }
  }

  async #process(batch: Batch): Promise<Processed> {
    this.#processedAtMs = Date.now()
    const { memory } = this.#options
    const packed: PackedMessages[] = []
    const pack = (messages: readonly ReadMessage[]): PackedMessages => {
      const all = packMessages(messages, length => memory.take(length))
      for (const message of messages) message.release()
      packed.push(all)
      return all
    }
    try {
      const result = await this.#worker.process({
        nowMs: this.#processedAtMs,
        commit: this.#commitNumber + 1,
        catalog: pack(batch.catalog),
        lifecycle: pack(batch.lifecycle),
        metering: pack(batch.metering),
        orders: batch.due?.orders ?? [],
        history: batch.answers,
        handedOver: batch.handedOver,
      })
      for (const { bytes } of packed) memory.give(bytes)
      const events = result.counters.received - this.#received
      this.#received = result.counters.received
      if (events > 0 && batch.bytes > 0) this.#eventBytes = Math.max(1, batch.bytes / events)
      return result
    } catch (cause) {
      throw new ProcessingError(`processing failed: ${describe(cause)}`, { cause })
    }
  }

  #startCommit(result: Processed, positions: Positions, span: OpenSpan | undefined): void {
    this.#commitNumber += 1
    this.#quietMoved = 0
    const commit = buildCommit(
      {
        ...this.#checkpoint,
        commit: this.#commitNumber,
        positions,
        snapshot: this.#snapshots.newest ?? this.#checkpoint.snapshot,
        counters: result.counters,
        figures: addTableFigures(this.#checkpoint.figures, result.figures),
      },
      result.delta,
      result.outputs,
      this.#access.limits,
      { key: this.#claim.key, follows: this.#stateSeq, headers: span?.headers ?? {} },
    )
    const startedAtMs = Date.now()
    this.#committingSinceMs = startedAtMs
    this.#inFlight = publishCommit(this.#access, commit, this.#stateSeq).then(committed => {
      this.#access.recent.add(committed.stateSeq, commit.messages)
      const before = this.#checkpoint
      this.#checkpoint = commit.checkpoint
      this.#stateSeq = committed.stateSeq
      if (commit.endsInRows) this.#rowsSeq = committed.lastSeq
      this.#committed(result, committed, before, startedAtMs)
      span?.end({ 'weir.commit': commit.checkpoint.commit, 'weir.ledger_sequence': committed.lastSeq })
    })
    this.#inFlight.catch(error => {
      span?.end({}, describe(error))
      this.#fail(error instanceof Error ? error : new Error(String(error)))
    })
  }

  #committed(result: Processed, committed: Committed, before: Checkpoint, startedAtMs: number): void {
    this.#lastCommitAtMs = Date.now()
    this.#committingSinceMs = undefined
    this.#oldest.committing = undefined
    this.#desk.ask(result.historyRequests, this.#rowsSeq)
    this.#handovers.publish(result.handovers)
    this.#snapshots.committed(this.#checkpoint, committed.stateSeq, result.delta.length)
    release(result.delta)
    this.#options.telemetry?.committed?.({
      partition: this.#options.partition,
      commit: this.#checkpoint.commit,
      counters: this.#checkpoint.counters,
      events: this.#checkpoint.counters.received - before.counters.received,
      lastSeq: committed.lastSeq,
      seconds: (this.#lastCommitAtMs - startedAtMs) / 1_000,
      arrivedAtMs: this.#arrivedAtMs,
      sealedRuns: result.sealedRuns,
    })
  }

  async #snapshotIfDue(): Promise<void> {
    if (!this.#snapshots.due()) return
    const commit = this.#commitNumber
    const taken = await this.#worker.snapshot().catch(cause => {
      throw new ProcessingError(`the snapshot failed: ${describe(cause)}`, { cause })
    })
    this.#snapshots.taken(this.#checkpoint.epoch, commit, taken)
  }
}

function orderOf(due: DueOrders): Batch {
  return { ...nothingTaken, due, answers: [], handedOver: [] }
}

/** The span of a step with input, linked to the messages that it is made of. */
function spanOf({ lifecycle, metering, bytes, due }: Batch, partition: number): OpenSpan | undefined {
  if (bytes === 0 && due === undefined) return undefined
  const span = beginSpan('commit', 'consume', { 'weir.partition': partition })
  span.linkTo(() => [...lifecycle, ...metering].map(({ head }) => linkIn(name => head.get(name))))
  return span
}
