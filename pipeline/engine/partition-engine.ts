// The engine of one partition: stands by, claims, restores, runs, and begins again when a session ends early.
//
// Invariants:
// 1. Nothing is kept in memory from one session to the next: each begins with a claim and a restore.
// 2. An engine that was fenced does not fight: it claims again only when nobody answers for the partition.
// 3. A failure of one partition ends that partition alone.

import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { nuid } from '@nats-io/transport-node'
import { backOffMs, within } from '../broker/back-off.js'
import type { LedgerAccess } from '../ledger/commit.js'
import { describe, Fenced, PartitionFailure, ProcessingError } from '../ledger/failures.js'
import { claimPartition } from './claim.js'
import type { EngineOptions, EngineState, EngineStatus } from './engine.js'
import { answerAsOwner, findOwner } from './incumbent.js'
import { Session } from './session.js'
import { SnapshotStore } from './snapshot.js'
import { Snapshots } from './snapshots.js'

/** How long the status shows a trouble that came while no commit was under way. */
const troubleShownMs = 5_000

/** Within this time the same trouble is one. */
const sameTroubleMs = 1_000

/** How long an abort waits for the current session to end. */
const abortMs = 1_000

const notClaimed = {
  epoch: 0,
  commit: 0,
  lag: { metering: 0, lifecycle: 0, catalog: 0 },
  oldestWaitingAtMs: undefined,
  heldBytes: 0,
  lastCommitAtMs: undefined,
  committingSinceMs: undefined,
  positions: undefined,
  counters: undefined,
}

export class PartitionEngine {
  readonly #options: EngineOptions
  readonly #abort = new AbortController()
  #state: EngineState = 'stopped'
  #session: Session | undefined
  #failure: PartitionFailure | undefined
  #draining = false
  #loop: Promise<void> | undefined
  #settleStart: (() => void) | undefined
  #stateSinceMs = Date.now()
  #trouble: string | undefined
  #troubleAtMs = 0

  constructor(options: EngineOptions) {
    this.#options = options
  }

  /** Resolves when the partition runs, or stands by for another process; rejects when it cannot run. */
  start(): Promise<void> {
    const started = new Promise<void>(resolve => {
      this.#settleStart = resolve
    })
    this.#loop = this.#run()
    return started.then(() => {
      if (this.#failure !== undefined) throw this.#failure
    })
  }

  /** Commits what is being processed and stops. Aborts when that takes longer than `drainMs`. */
  async drain(): Promise<void> {
    this.#draining = true
    this.#session?.drain()
    if (this.#loop === undefined) return
    if (!(await within(this.#options.limits.engine.drainMs, this.#loop))) await this.abort()
  }

  /** The same as `drain`: whoever made the connection and the workers closes them. */
  close(): Promise<void> {
    return this.drain()
  }

  /** Stops at once; the next owner processes again what is not committed. */
  async abort(): Promise<void> {
    this.#draining = true
    this.#abort.abort(new Fenced('the engine was stopped'))
    this.#session?.drain()
    // A call into the worker cannot be interrupted.
    if (this.#loop !== undefined) await within(abortMs, this.#loop)
    this.#enter('stopped')
  }

  status(): EngineStatus {
    const { partition } = this.#options
    const failure =
      this.#failure === undefined ? undefined : { code: this.#failure.code, detail: this.#failure.message }
    const session = this.#session?.status ?? notClaimed
    const isOver = this.#state === 'running' && session.committingSinceMs === undefined
    const isRecent = Date.now() - this.#troubleAtMs < troubleShownMs
    const trouble = isOver && !isRecent ? undefined : this.#trouble
    return { partition, state: this.#state, stateSinceMs: this.#stateSinceMs, failure, trouble, ...session }
  }

  async #run(): Promise<void> {
    const { limits } = this.#options
    let ask = this.#options.takeOver !== true
    let failures = 0
    let waits = 0
    while (!this.#draining) {
      const before = this.#session?.status.commit ?? 0
      try {
        if (ask) await this.#standBy()
        await this.#own()
      } catch (error) {
        if (this.#draining) break
        ask = true
        if (error instanceof PartitionFailure) return this.#fail(error)
        const progress = (this.#session?.status.commit ?? 0) > before
        waits = progress ? 1 : waits + 1
        failures = error instanceof ProcessingError ? (progress ? 1 : failures + 1) : failures
        if (failures >= limits.engine.maxFailures) {
          return this.#fail(gaveUp(this.#options.partition, failures, error))
        }
        this.#enter(error instanceof Fenced ? 'fenced' : 'claiming')
        this.#interrupted(describe(error))
        const { standbyMs } = limits.engine // invariant 2
        await this.#pause(error instanceof Fenced ? standbyMs : backOffMs(waits, limits.engine))
      }
    }
    this.#enter('stopped')
    this.#settleStart?.()
  }

  /** Runs one session, beginning with the claim. Returns when the session was drained. */
  async #own(): Promise<void> {
    const { nc, bulk, jsm, partition, partitions, worker, limits, log, recent } = this.#options
    this.#enter('claiming')
    const end = new AbortController()
    const signal = AbortSignal.any([end.signal, this.#abort.signal])
    const onRetry = (detail: string) => this.#interrupted(detail)
    const access: LedgerAccess = { nc, bulk, jsm, recent, limits: limits.engine, signal, onRetry }
    const claim = await claimPartition(access, partition, ownerId())
    const { epoch, owner, snapshot } = claim.checkpoint
    const silence = answerAsOwner(nc, partition, owner)
    let session: Session | undefined
    try {
      this.#enter('restoring')
      const store = await SnapshotStore.open(nc, bulk, partition, limits.engine.snapshotChunkBytes)
      store.sweep(epoch, snapshot?.object).catch(error => onRetry(describe(error)))
      session = new Session(
        this.#options,
        access,
        worker,
        claim,
        new Snapshots(store, snapshot, limits.engine, onRetry, partition / partitions),
      )
      this.#session = session
      await session.restore()
      this.#enter('running')
      log.info({ partition, epoch, commit: claim.checkpoint.commit }, 'partition runs')
      this.#settleStart?.()
      if (this.#draining) session.drain()
      await session.run()
    } finally {
      silence()
      end.abort(new Fenced('the session is over'))
      await session?.close()
    }
  }

  /** Returns when nobody answers for the partition. */
  async #standBy(): Promise<void> {
    const { nc, partition, limits } = this.#options
    for (;;) {
      const owner = await findOwner(nc, partition, limits.engine)
      if (owner === undefined || this.#draining) return
      this.#enter('fenced')
      this.#settleStart?.()
      await this.#pause(limits.engine.standbyMs)
    }
  }

  async #pause(ms: number): Promise<void> {
    const signal = this.#abort.signal
    for (let left = ms; left > 0 && !this.#draining && !signal.aborted; left -= 100) {
      await sleep(Math.min(100, left))
    }
  }

  #fail(failure: PartitionFailure): void {
    this.#failure = failure
    this.#enter('failed')
    const { partition, log, onFatal } = this.#options
    log.error({ partition, code: failure.code, detail: failure.message }, 'partition stopped')
    onFatal(failure)
    this.#settleStart?.()
  }

  #interrupted(detail: string): void {
    const { partition, log, telemetry } = this.#options
    if (this.#draining) return
    // Each input reader tells of a lost broker in the same moment.
    const isToldAlready = this.#trouble === detail && Date.now() - this.#troubleAtMs < sameTroubleMs
    this.#trouble = detail
    this.#troubleAtMs = Date.now()
    if (isToldAlready) return
    log.warn({ partition, detail }, 'partition interrupted; it goes on by itself')
    telemetry?.interrupted?.(partition, detail)
  }

  #enter(state: EngineState): void {
    if (this.#state === state) return
    this.#state = state
    this.#stateSinceMs = Date.now()
    if (state === 'running') this.#trouble = undefined
    this.#options.telemetry?.stateChanged?.(this.#options.partition, state)
  }
}

/** A name for the owner that is unique to each claim. */
function ownerId(): string {
  return `${hostname()}:${process.pid}:${nuid.next()}`
}

function gaveUp(partition: number, tries: number, cause: unknown): PartitionFailure {
  return new PartitionFailure(
    'processing_failed',
    `Partition ${partition} failed ${tries} times in a row without getting on: ${describe(cause)} (this is a bug in` +
      ` Weir). Nothing is lost: the partition goes on from its checkpoint once a fixed version is started.`,
    { cause },
  )
}
