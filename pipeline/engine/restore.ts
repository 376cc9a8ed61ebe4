// Reads what a restore needs: the snapshot that the checkpoint names, and every state delta after it.
//
// Invariants:
// 1. Every commit after the snapshot has its whole delta: if a message is missing, the partition stops. A
//    message that no commit names is skipped.
// 2. The inputs are the streams that the checkpoint was made from, and still hold the next messages to read.

import { natsSubjects, streamInfo } from '../broker/topology.js'
import { inputStreams, type SnapshotRef } from '../ledger/checkpoint.js'
import type { LedgerAccess } from '../ledger/commit.js'
import { PartitionFailure, RetryableError } from '../ledger/failures.js'
import { LedgerGap, PartitionCommits } from '../ledger/partition-commits.js'
import { assertInput, type Claim } from './claim.js'
import { InputReader } from './input-reader.js'
import type { Manifest, SnapshotReader, SnapshotStore } from './snapshot.js'
import { Wake } from './wake.js'

export interface RestoredBytes {
  /** Names the segments of identities. Their bytes are not in here, as they may be gigabytes. */
  readonly manifest: Manifest | undefined
  readonly snapshot: Uint8Array | undefined
  readonly deltas: readonly Uint8Array[]
  readonly deltaBytes: number
}

/** What reading the state takes of the access to the ledger. */
export type StateAccess = Pick<LedgerAccess, 'bulk' | 'jsm' | 'limits' | 'signal' | 'onRetry'>
/** A checkpoint, its sequence in LEDGER and the key that sealed it. */
export type StateAt = Pick<Claim, 'checkpoint' | 'key' | 'seq'>

export async function restoreBytes(
  access: LedgerAccess,
  claim: Claim,
  snapshots: SnapshotStore,
): Promise<RestoredBytes> {
  const { checkpoint, inputs } = claim
  for (const stream of inputStreams) assertInput(stream, inputs[stream], checkpoint.positions[stream]) // invariant 2
  return readState(access, claim, snapshots)
}

/** The state as of a checkpoint. It only reads: no claim is needed, and whoever owns the partition goes on. */
export async function readState(
  access: StateAccess,
  at: StateAt,
  snapshots: SnapshotReader,
): Promise<RestoredBytes> {
  const { snapshot: ref } = at.checkpoint
  const manifest = ref === null ? undefined : await snapshots.manifest(ref.object)
  const snapshot = manifest === undefined ? undefined : await snapshots.read(manifest.state.object)
  const joiner = new DeltaJoiner(at, ref ?? undefined)
  await readCommits(access, at, ref?.ledger_seq ?? 1, joiner)
  const { deltas } = joiner
  return { manifest, snapshot, deltas, deltaBytes: deltas.reduce((sum, delta) => sum + delta.length, 0) }
}

/** Reads checkpoints and deltas from a sequence up to the claim. */
async function readCommits(
  access: StateAccess,
  claim: StateAt,
  fromSeq: number,
  joiner: DeltaJoiner,
): Promise<void> {
  const { bulk, jsm, limits, signal, onRetry } = access
  const { partition } = claim.checkpoint
  const ledger = await streamInfo(jsm, 'LEDGER')
  if (ledger === undefined) throw new RetryableError('LEDGER is gone') // the next claim fails with the advice
  const wake = new Wake()
  let failure: PartitionFailure | undefined
  const reader = new InputReader({
    bulk,
    jsm,
    limits,
    stream: 'LEDGER',
    filterSubjects: [natsSubjects.ledger(partition, 'state'), natsSubjects.ledger(partition, 'delta')],
    created: ledger.created,
    fromSeq: Math.max(fromSeq, ledger.state.first_seq),
    onMessage: () => wake.ring(),
    onInterruption: onRetry,
    onFailure: error => {
      failure = error
      wake.ring()
    },
  })
  try {
    // A claim has no messages; those of a commit come right after its checkpoint.
    const last = claim.seq + 1 + claim.checkpoint.messages.findLastIndex(([what]) => what === 'delta')
    for (let seq = 0; seq < last; ) {
      await wake.wait(limits.tickMs)
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      for (const message of reader.take(limits.prefetchBytes)) {
        if (message.seq > last) break
        seq = message.seq
        if (!joiner.add(seq, message.bytes)) {
          onRetry(`the message ${seq} of LEDGER was not written by Weir and is passed over`)
        }
      }
    }
  } finally {
    reader.stop()
  }
  joiner.finish()
}

/** Joins the pieces of each commit's delta and checks that none is missing. */
export class DeltaJoiner {
  readonly deltas: Uint8Array[] = []
  readonly #claim: Omit<StateAt, 'key'>
  readonly #commits: PartitionCommits
  readonly #afterCommit: number
  #chunks: Uint8Array[] = []

  /** Skips the deltas of commits up to the snapshot's: the snapshot holds them already. */
  constructor(claim: StateAt, snapshot?: SnapshotRef) {
    this.#claim = claim
    this.#afterCommit = snapshot?.commit ?? 0
    this.#commits = new PartitionCommits({
      partition: claim.checkpoint.partition,
      key: claim.key,
      reads: what => what === 'delta',
      ...(snapshot === undefined ? {} : { beginsAt: snapshot.ledger_seq }),
    })
  }

  /** Takes a checkpoint or delta, in the order of the stream. False: an unknown writer's message, skipped. */
  add(seq: number, bytes: Uint8Array): boolean {
    try {
      const seen = this.#commits.see(seq, bytes)
      if (seen.kind === 'checkpoint') this.#join()
      if (seen.kind === 'named' && (this.#commits.head?.commit ?? 0) > this.#afterCommit) {
        this.#chunks.push(Uint8Array.from(bytes))
      }
      return seen.kind !== 'foreign'
    } catch (error) {
      throw error instanceof LedgerGap ? this.#incomplete(error.message) : error
    }
  }

  /** To be called after the last message up to the claim: throws when a commit is missing. */
  finish(): void {
    this.#join()
    const { head } = this.#commits
    const { seq, checkpoint } = this.#claim
    const commits = this.#afterCommit + this.deltas.length
    if (head?.seq === seq && commits === checkpoint.commit) return
    throw this.#incomplete(`${commits} commits can be restored, the checkpoint names ${checkpoint.commit}.`)
  }

  #join(): void {
    const chunks = this.#chunks
    if (chunks.length === 0) return
    this.deltas.push(chunks.length === 1 ? chunks[0]! : Uint8Array.from(Buffer.concat(chunks)))
    this.#chunks = []
  }

  #incomplete(detail: string): PartitionFailure {
    const { partition } = this.#claim.checkpoint
    return new PartitionFailure(
      'ledger_incomplete',
      `The state of partition ${partition} cannot be restored from LEDGER: ${detail} It was purged by something other than` +
        ` weir retention, or restored from a backup that does not fit: restore LEDGER and the object store from the same backup.`,
    )
  }
}

/** The engine's error for a failed restore: a `PartitionFailure` as it is, others as `RetryableError`. */
export function restoreTrouble(error: unknown): Error {
  if (error instanceof PartitionFailure) return error
  return new RetryableError(`restoring failed: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}
