// When a snapshot is due, and its way from the worker into a checkpoint.
//
// Invariants:
// 1. A snapshot is of a commit; it is stored only after that commit is, and named by a later one.
// 2. Writing snapshots costs at most as much again as the deltas: one is due when the deltas since the last one outgrow
//    that one. So a restore reads at most twice the state, or the state and `snapshotDeltaBytes`.

import type { EngineLimits } from '../limits.js'
import type { Checkpoint, SnapshotRef } from './checkpoint.js'
import { describe } from './failures.js'
import type { RestoredBytes } from './restore.js'
import type { SnapshotStore } from './snapshot.js'

export class Snapshots {
  readonly store: SnapshotStore
  readonly #limits: EngineLimits
  readonly #onTrouble: (detail: string) => void
  #newest: SnapshotRef | undefined
  /** The one that the newest stored checkpoint names. */
  #named: string | undefined
  #lastBytes = 0
  #deltaBytes = 0
  #deltaCommits = 0
  #taken: TakenSnapshot | undefined
  #busy = false

  constructor(
    store: SnapshotStore,
    named: SnapshotRef | null,
    limits: EngineLimits,
    onTrouble: (detail: string) => void,
  ) {
    this.store = store
    this.#named = named?.object
    this.#limits = limits
    this.#onTrouble = onTrouble
  }

  /** To be named by the next checkpoint, if any was stored in this session. */
  get newest(): SnapshotRef | undefined {
    return this.#newest
  }

  restored({ snapshot, deltas, deltaBytes }: RestoredBytes): void {
    this.#lastBytes = snapshot?.length ?? 0
    this.#deltaBytes = deltaBytes
    this.#deltaCommits = deltas.length
  }

  due(): boolean {
    if (this.#busy) return false
    const outgrown = this.#deltaBytes > Math.max(this.#limits.snapshotDeltaBytes, this.#lastBytes) // invariant 2
    return outgrown || this.#deltaCommits >= this.#limits.snapshotCommits
  }

  /** The state as it is after `commit`, which is on its way. */
  taken(epoch: number, commit: number, bytes: Uint8Array): void {
    this.#busy = true
    this.#taken = { epoch, commit, bytes }
  }

  /** A commit is stored; `stateSeq` is its checkpoint's sequence. */
  committed(checkpoint: Checkpoint, stateSeq: number, deltaBytes: number): void {
    this.#deltaBytes += deltaBytes
    this.#deltaCommits += 1
    const named = checkpoint.snapshot?.object
    if (named !== this.#named) {
      const old = this.#named
      this.#named = named
      if (old !== undefined) this.store.delete(old).catch(error => this.#onTrouble(describe(error)))
    }
    if (this.#taken?.commit === checkpoint.commit) void this.#upload(this.#taken, stateSeq) // invariant 1
  }

  async #upload(taken: TakenSnapshot, ledgerSeq: number): Promise<void> {
    this.#taken = undefined
    this.#lastBytes = taken.bytes.length
    this.#deltaBytes = 0
    this.#deltaCommits = 0
    try {
      const object = await this.store.put(taken.epoch, taken.commit, taken.bytes)
      this.#newest = { object, commit: taken.commit, ledger_seq: ledgerSeq }
    } catch (error) {
      this.#onTrouble(`the snapshot could not be stored: ${describe(error)}`) // the next one is due as usual
    } finally {
      this.#busy = false
    }
  }
}

interface TakenSnapshot {
  readonly epoch: number
  readonly commit: number
  readonly bytes: Uint8Array
}
