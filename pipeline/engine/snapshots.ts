// Decides when a snapshot is due, stores it, and hands it to the next checkpoint.
//
// Invariants:
// 1. A snapshot holds the state after one commit. It is stored only after that commit is stored, and a later
//    commit names it. The snapshot may be ready before its commit is stored or after it.
// 2. A snapshot is due when the deltas since the last one are larger than its state (with the most patience:
//    twice its state), and identities are written once. So snapshots write at most as much as deltas do, and
//    a restore reads the identities, the state, and deltas of twice the state or twice `snapshotDeltaBytes`.
// 3. A snapshot that the worker made is stored or the session ends: no later snapshot holds its identities.

import type { EngineLimits } from '../config/limits.js'
import type { Checkpoint, SnapshotRef } from '../ledger/checkpoint.js'
import { describe } from '../ledger/failures.js'
import { release } from '../memory/transfer.js'
import type { StateSnapshot } from '../workers/protocol.js'
import type { RestoredBytes } from './restore.js'
import { lengthOf, type Manifest, objectsOf, type SnapshotStore } from './snapshot.js'

export class Snapshots {
  readonly store: SnapshotStore
  readonly #limits: EngineLimits
  readonly #patience: number
  readonly #onTrouble: (detail: string) => void
  #newest: SnapshotRef | undefined
  #manifest: Manifest | undefined
  /** The manifest that the newest stored checkpoint names, and below all of its objects. */
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
   * `patience`, 0 to 1: the share by which this partition waits longer. Partitions grow alike; were all due
   * at once, a worker would make their snapshots one after another while the events of all of them wait.
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

  /** The snapshot for the next checkpoint to name; undefined when this session has stored none. */
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

  /** Takes the state after `commit`, which is being published, or was stored while the snapshot was made. */
  taken(epoch: number, commit: number, snapshot: StateSnapshot): void {
    const ledgerSeq = this.#stored.commit === commit ? this.#stored.seq : undefined
    this.#taken = { epoch, commit, snapshot, ledgerSeq }
    this.#stateBytes = lengthOf(snapshot.state)
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

  /** Called when the checkpoint that names `named` is stored: deletes the objects no longer needed. */
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
      for (const bytes of [...snapshot.state, ...snapshot.dedupe.pieces]) release(bytes)
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
