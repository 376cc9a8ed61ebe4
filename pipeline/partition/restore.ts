// Restoring: the snapshot that the checkpoint names, and every state delta after it.
//
// Invariants:
// 1. Every commit after the snapshot has its delta, whole: a hole stops the partition, it is never skipped.
// 2. The inputs are the streams that the checkpoint read, and still hold what is to be read next.

import { natsSubjects, streamInfo } from '../topology.js'
import { inputStreams } from './checkpoint.js'
import { assertInput, type Claim } from './claim.js'
import { type CommitLink, chunkHeader, commitHeader } from './commit.js'
import { PartitionFailure, RetryableError } from './failures.js'
import { InputReader } from './input-reader.js'
import type { ReadMessage } from './pull-protocol.js'
import type { Manifest, SnapshotStore } from './snapshot.js'
import { Wake } from './wake.js'

export interface RestoredBytes {
  /** Names the segments of identities, which are not among the bytes: there may be gigabytes of them. */
  readonly manifest: Manifest | undefined
  readonly snapshot: Uint8Array | undefined
  readonly deltas: readonly Uint8Array[]
  readonly deltaBytes: number
}

export async function restoreBytes(
  link: CommitLink,
  claim: Claim,
  snapshots: SnapshotStore,
): Promise<RestoredBytes> {
  const { checkpoint, inputs } = claim
  for (const stream of inputStreams) assertInput(stream, inputs[stream], checkpoint.positions[stream]) // invariant 2
  const { snapshot: ref } = checkpoint
  const manifest = ref === null ? undefined : await snapshots.manifest(ref.object)
  const snapshot = manifest === undefined ? undefined : await snapshots.read(manifest.state.object)
  const afterCommit = ref?.commit ?? 0
  const joiner = new DeltaJoiner(checkpoint.partition, afterCommit)
  if (checkpoint.commit > afterCommit) await readDeltas(link, claim, ref?.ledger_seq ?? 1, joiner)
  const deltas = joiner.finish(checkpoint.commit)
  return { manifest, snapshot, deltas, deltaBytes: deltas.reduce((sum, delta) => sum + delta.length, 0) }
}

async function readDeltas(
  link: CommitLink,
  claim: Claim,
  fromSeq: number,
  joiner: DeltaJoiner,
): Promise<void> {
  const { nc, jsm, limits, signal, onRetry } = link
  const filterSubject = natsSubjects.ledger(claim.checkpoint.partition, 'delta')
  const ledger = await streamInfo(jsm, 'LEDGER')
  const last = await jsm.streams.getMessage('LEDGER', { last_by_subj: filterSubject })
  if (ledger === undefined || last === null) return // `finish` says what is missing
  const wake = new Wake()
  let failure: PartitionFailure | undefined
  const reader = new InputReader({
    nc,
    jsm,
    limits,
    stream: 'LEDGER',
    filterSubject,
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
    for (let seq = 0; seq < last.seq; ) {
      await wake.wait(limits.tickMs)
      signal.throwIfAborted()
      if (failure !== undefined) throw failure
      for (const message of reader.take(limits.prefetchBytes)) {
        seq = message.seq
        joiner.add(message)
      }
    }
  } finally {
    reader.stop()
  }
}

/** Joins the chunks of each commit and checks that none is missing. */
export class DeltaJoiner {
  readonly #partition: number
  readonly #deltas: Uint8Array[] = []
  #commit: number
  #chunks: Uint8Array[] = []

  /** Deltas of commits up to `afterCommit` are in the snapshot and skipped. */
  constructor(partition: number, afterCommit: number) {
    this.#partition = partition
    this.#commit = afterCommit
  }

  add(message: Pick<ReadMessage, 'seq' | 'bytes' | 'head'>): void {
    const commit = Number(message.head.get(commitHeader))
    const [index, of] = (message.head.get(chunkHeader) ?? '').split('/').map(Number)
    if (!Number.isInteger(commit) || index === undefined || of === undefined) {
      throw this.#incomplete(`the message ${message.seq} has no headers of ours`)
    }
    if (commit <= this.#commit) return
    const expected = { commit: this.#commit + 1, index: this.#chunks.length + 1 }
    if (commit !== expected.commit || index !== expected.index) {
      throw this.#incomplete(
        `chunk ${expected.index} of commit ${expected.commit} is followed by ${index} of ${commit}`,
      )
    }
    this.#chunks.push(Uint8Array.from(message.bytes))
    if (index < of) return
    this.#deltas.push(
      this.#chunks.length === 1 ? this.#chunks[0]! : Uint8Array.from(Buffer.concat(this.#chunks)),
    )
    this.#chunks = []
    this.#commit = commit
  }

  finish(lastCommit: number): readonly Uint8Array[] {
    if (this.#commit !== lastCommit || this.#chunks.length > 0) {
      throw this.#incomplete(`it ends in commit ${this.#commit}, the checkpoint names ${lastCommit}`)
    }
    return this.#deltas
  }

  #incomplete(detail: string): PartitionFailure {
    return new PartitionFailure(
      'ledger_incomplete',
      `The state of partition ${this.#partition} cannot be restored from LEDGER: ${detail}. It was purged too far, or` +
        ` restored from a backup that does not fit: restore LEDGER and the object store from the same backup.`,
    )
  }
}

/** For the engine: what a failed restore means. Kept here so that the list of codes has one reader. */
export function restoreTrouble(error: unknown): Error {
  if (error instanceof PartitionFailure) return error
  return new RetryableError(`restoring failed: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}
