// When a snapshot is due, and its way from the worker into a checkpoint.
//
// Invariants:
// 1. A snapshot is of a commit; it is stored only after that commit is, and named by a later one. Which of the two is
//    ready first does not matter.
// 2. Writing snapshots costs at most as much again as the deltas: one is due when the deltas since the last one outgrow
//    its state, by up to as much again, and identities are written once. So a restore reads at most the identities and
//    three times the state, or the state and twice `snapshotDeltaBytes`.
// 3. What the worker gave is stored or the session ends: the identities in it are in no later snapshot.

import type { EngineLimits } from '../config/limits.js'
import type { Checkpoint, SnapshotRef } from '../ledger/checkpoint.js'
import { describe } from '../ledger/failures.js'
import { release } from '../memory/transfer.js'
import type { StateSnapshot } from '../workers/protocol.js'
import type { RestoredBytes } from './restore.js'
import { type Manifest, objectsOf, type SnapshotStore } from './snapshot.js'

export class Snapshots {
  readonly store: SnapshotStore
  readonly #limits: EngineLimits
  readonly #patience: number
  readonly #onTrouble: (detail: string) => void
  #newest: SnapshotRef | undefined
  #manifest: Manifest | undefined
  /** The one that the newest stored checkpoint names, and its objects. */
  #named: string | undefined
  #namedObjects: readonly string[] = []
  #stateBytes = 0
  #deltaBytes = 0
  #deltaCommits = 0
  /** The newest commit that is known to be stored. */
  #stored = { commit: 0, seq: 0 }
  #taken: TakenSnapshot | undefined
  #uploading = false
  #retryAtMs = 0

  /**
   * `patience`: of 0 to 1, how much longer than others it waits. Partitions grow alike, and a worker that makes all their
   * snapshots one after another keeps everybody's events waiting.
   */
  constructor(
    store: SnapshotStore,
    named: SnapshotRef | null,
    limits: EngineLimits,
    onTrouble: (detail: string) => void,
    patience = 0,
  ) {
    this.store = store
    this.#named = named?.object
    this.#limits = limits
    this.#patience = patience
    this.#onTrouble = onTrouble
  }

  /** To be named by the next checkpoint, if any was stored in this session. */
  get newest(): SnapshotRef | undefined {
    return this.#newest
  }

  restored({ manifest, deltas, deltaBytes }: RestoredBytes): void {
    this.#manifest = manifest
    this.#stateBytes = manifest?.state.bytes ?? 0
    if (manifest !== undefined && this.#named !== undefined) {
      this.#namedObjects = objectsOf(this.#named, manifest)
    }
    this.#deltaBytes = deltaBytes
    this.#deltaCommits = deltas.length
  }

  due(): boolean {
    if (this.#taken !== undefined) return false
    const { snapshotCommits, snapshotDeltaBytes } = this.#limits
    const longer = 1 + this.#patience
    return (
      this.#deltaBytes > Math.max(snapshotDeltaBytes, this.#stateBytes) * longer || // invariant 2
      this.#deltaCommits >= snapshotCommits * longer
    )
  }

  /** The state as it is after `commit`, which is on its way, or was stored while the snapshot was made. */
  taken(epoch: number, commit: number, snapshot: StateSnapshot): void {
    const ledgerSeq = this.#stored.commit === commit ? this.#stored.seq : undefined
    this.#taken = { epoch, commit, snapshot, ledgerSeq }
    this.#stateBytes = snapshot.state.length
    this.#deltaBytes = 0
    this.#deltaCommits = 0
    if (ledgerSeq !== undefined) void this.#upload(this.#taken, ledgerSeq) // invariant 1
  }

  /** A commit is stored; `stateSeq` is its checkpoint's sequence. */
  committed(checkpoint: Checkpoint, stateSeq: number, deltaBytes: number): void {
    this.#stored = { commit: checkpoint.commit, seq: stateSeq }
    const taken = this.#taken
    const isTaken = taken?.commit === checkpoint.commit
    if (!isTaken) {
      this.#deltaBytes += deltaBytes
      this.#deltaCommits += 1
    }
    const named = checkpoint.snapshot?.object
    if (named !== undefined && named !== this.#named) this.#forgetBefore(named)
    if (taken === undefined) return
    if (isTaken) taken.ledgerSeq = stateSeq // invariant 1
    if (taken.ledgerSeq === undefined || this.#uploading || Date.now() < this.#retryAtMs) return
    void this.#upload(taken, taken.ledgerSeq)
  }

  /** The checkpoint that names it is stored: what it no longer needs can go. */
  #forgetBefore(named: string): void {
    const old = this.#namedObjects
    this.#named = named
    this.#namedObjects = this.#manifest === undefined ? [] : objectsOf(named, this.#manifest)
    const needed = new Set(this.#namedObjects)
    this.store
      .delete(old.filter(object => !needed.has(object)))
      .catch(error => this.#onTrouble(describe(error)))
  }

  async #upload({ epoch, commit, snapshot }: TakenSnapshot, ledgerSeq: number): Promise<void> {
    this.#uploading = true
    try {
      const { object, manifest } = await this.store.put(epoch, commit, snapshot, this.#manifest)
      this.#manifest = manifest
      this.#newest = { object, commit, ledger_seq: ledgerSeq }
      for (const bytes of [snapshot.state, ...snapshot.dedupe.pieces]) release(bytes)
      this.#taken = undefined
    } catch (error) {
      this.#retryAtMs = Date.now() + this.#limits.retryMaxMs // invariant 3
      this.#onTrouble(`the snapshot could not be stored: ${describe(error)}`)
    } finally {
      this.#uploading = false
    }
  }
}

interface TakenSnapshot {
  readonly epoch: number
  readonly commit: number
  readonly snapshot: StateSnapshot
  /** Undefined until its commit is stored. */
  ledgerSeq: number | undefined
}
