// A commit: the checkpoint with its fence, the state delta and the outputs, as one NATS atomic batch.
//
// Invariants:
// 1. I2: a commit is visible as a whole or not at all, and only while nobody else has claimed the partition.
// 2. If the answer is lost, the newest checkpoint tells whether the commit was stored; nothing is guessed.
//    All attempts have the same bytes, so the broker stores the same commit whichever attempt succeeds.
// 3. The messages of `event_dispositions` come last: a sink that has read them has read the whole commit.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type BatchMessage, type BatchOutcome, publishBatch } from '../broker/atomic-batch.js'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { natsSubjects } from '../broker/topology.js'
import type { EngineLimits } from '../config/limits.js'
import { type Checkpoint, encodeCheckpoint, readCheckpoint } from './checkpoint.js'
import { Fenced, PartitionFailure, RetryableError } from './failures.js'
import type { RecentCommits } from './recent-commits.js'

export interface CommitOutput {
  /** A table name, or `sealed`. */
  readonly table: string
  readonly bytes: Uint8Array
}

export interface Commit {
  readonly checkpoint: Checkpoint
  readonly messages: readonly BatchMessage[]
  /** Whether the last message holds rows of a table. */
  readonly endsInRows: boolean
  /** The key that sealed the checkpoint. */
  readonly key: Uint8Array
}

export interface Committed {
  /** Sequence of the checkpoint, which is the fence of the next commit. */
  readonly stateSeq: number
  /** Sequence of the last message. */
  readonly lastSeq: number
}

export interface LedgerAccess {
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  /** Keeps stored commits for the deliverer in this process. */
  readonly recent: RecentCommits
  readonly limits: EngineLimits
  readonly signal: AbortSignal
  readonly onRetry: (detail: string) => void
}

export const commitHeader = 'weir-commit'
/** Header of a delta message: `2/3` is the second of the three chunks in its commit. */
export const chunkHeader = 'weir-chunk'

/** What a new checkpoint needs to follow the one before it. */
export interface NextCheckpoint {
  readonly key: Uint8Array
  /** Sequence in LEDGER of the checkpoint before it. */
  readonly follows: number
  /** Headers that each message of the commit carries beside its own. */
  readonly headers?: Readonly<Record<string, string>>
}

/** Builds the messages of a commit, in order, and enters them into its checkpoint. */
export function buildCommit(
  checkpoint: Omit<Checkpoint, 'delta_chunks' | 'follows' | 'messages'>,
  delta: Uint8Array,
  outputs: readonly CommitOutput[],
  limits: EngineLimits,
  { key, follows, headers }: NextCheckpoint,
): Commit {
  const { partition } = checkpoint
  const commit = { [commitHeader]: String(checkpoint.commit), ...headers }
  const chunks = cut(delta, limits.deltaChunkBytes)
  const ordered = [...outputs].sort((a, b) => rank(a) - rank(b)) // invariant 3
  const whole: Checkpoint = {
    ...checkpoint,
    delta_chunks: chunks.length,
    follows,
    messages: [
      ...chunks.map((bytes): [string, number] => ['delta', bytes.byteLength]),
      ...ordered.map(({ table, bytes }): [string, number] => [table, bytes.byteLength]),
    ],
  }
  const messages: BatchMessage[] = [
    {
      natsSubject: natsSubjects.ledger(partition, 'state'),
      bytes: encodeCheckpoint(whole, key),
      headers: commit,
    },
  ]
  chunks.forEach((bytes, index) => {
    const chunk = { ...commit, [chunkHeader]: `${index + 1}/${chunks.length}` }
    messages.push({ natsSubject: natsSubjects.ledger(partition, 'delta'), bytes, headers: chunk })
  })
  for (const { table, bytes } of ordered) {
    messages.push({ natsSubject: natsSubjects.ledger(partition, table), bytes, headers: commit })
  }
  assertFits(messages, checkpoint, limits)
  const last = ordered.at(-1)
  return { checkpoint: whole, messages, endsInRows: last !== undefined && rank(last) > 0, key }
}

function rank({ table }: CommitOutput): number {
  if (table === 'sealed') return 0
  return table === 'event_dispositions' ? 2 : 1
}

/**
 * Publishes until the commit is known to be stored; throws when it never will be. `fenceSeq` is the last
 * sequence on the checkpoint's subject, which rises when an unknown writer publishes there.
 */
export async function publishCommit(
  access: LedgerAccess,
  commit: Commit,
  fenceSeq: number,
): Promise<Committed> {
  const { bulk, limits, signal } = access
  let lastSubjectSequence = fenceSeq
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted()
    const fence = { lastSubjectSequence }
    const outcome = await publishBatch(bulk, commit.messages, fence, limits.commitTimeoutMs)
    const settled = await settle(access, commit, outcome)
    if (settled.kind === 'stored') return settled.committed
    lastSubjectSequence = settled.lastSeq ?? lastSubjectSequence
    access.onRetry(outcomeDetail(outcome))
    await pauseFor(backOffMs(failures, limits), signal)
  }
}

type Settled =
  | { readonly kind: 'stored'; readonly committed: Committed }
  /** Try again, with the fence `lastSeq` if it is given. */
  | { readonly kind: 'again'; readonly lastSeq?: number }

async function settle(access: LedgerAccess, commit: Commit, outcome: BatchOutcome): Promise<Settled> {
  const { partition, commit: number } = commit.checkpoint
  switch (outcome.kind) {
    case 'stored':
      return {
        kind: 'stored',
        committed: { stateSeq: outcome.seq - outcome.count + 1, lastSeq: outcome.seq },
      }
    case 'busy':
      return { kind: 'again' }
    case 'fenced':
    case 'unknown':
      return recall(access, commit) // an earlier attempt of ours may have moved the fence
    case 'too_large':
      throw new PartitionFailure(
        'commit_too_large',
        `Commit ${number} of partition ${partition} is too large for the broker: ${outcome.detail}. Raise max_payload.`,
      )
    case 'refused':
      throw new PartitionFailure(
        'commit_refused',
        `The broker refuses commit ${number} of partition ${partition}: ${outcome.detail}.`,
      )
    default:
      return outcome satisfies never
  }
}

/** Reads the newest checkpoint to learn what became of a commit. */
async function recall(
  { jsm, limits, signal, onRetry }: LedgerAccess,
  { checkpoint, messages, key }: Commit,
): Promise<Settled> {
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted()
    try {
      const newest = await readCheckpoint(jsm, checkpoint.partition, key)
      if (newest === undefined)
        throw new Fenced(`the checkpoint of partition ${checkpoint.partition} is gone`)
      if (newest.seq === checkpoint.follows) return { kind: 'again', lastSeq: newest.lastSeq }
      const { owner, epoch, commit } = newest.checkpoint
      if (owner === checkpoint.owner && epoch === checkpoint.epoch && commit === checkpoint.commit) {
        const committed = { stateSeq: newest.seq, lastSeq: newest.seq + messages.length - 1 }
        return { kind: 'stored', committed } // invariant 2
      }
      throw new Fenced(`partition ${checkpoint.partition} is owned by ${owner} since epoch ${epoch}`)
    } catch (error) {
      if (error instanceof Fenced || error instanceof PartitionFailure) throw error
      onRetry(`the checkpoint cannot be read: ${String(error)}`)
    }
    await pauseFor(backOffMs(failures, limits), signal)
  }
}

function outcomeDetail(outcome: BatchOutcome): string {
  return outcome.kind === 'stored' ? '' : outcome.detail
}

/** Returns at least one chunk: every commit then has a delta message, and a missing one is noticed. */
function cut(bytes: Uint8Array, chunkBytes: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at === 0 || at < bytes.length; at += chunkBytes)
    chunks.push(bytes.subarray(at, at + chunkBytes))
  return chunks
}

function assertFits(
  messages: readonly BatchMessage[],
  checkpoint: Pick<Checkpoint, 'partition' | 'commit'>,
  limits: EngineLimits,
): void {
  const which = `Commit ${checkpoint.commit} of partition ${checkpoint.partition}`
  if (messages.length > limits.batchMaxMessages) {
    const detail = `${which} has ${messages.length} messages; a batch takes ${limits.batchMaxMessages}.`
    throw new PartitionFailure(
      'commit_too_large',
      `${detail} Raise the broker's max_payload, so that chunks grow.`,
    )
  }
  const largest = messages.reduce((most, message) => Math.max(most, message.bytes.length), 0)
  if (largest + limits.headerBytes > limits.maxPayload) {
    const detail = `${which} has a message of ${largest} bytes; the broker takes ${limits.maxPayload}.`
    throw new PartitionFailure('commit_too_large', `${detail} Raise max_payload.`)
  }
}

/** Wraps the error of a call to the broker in a `RetryableError`, except the errors of failures.ts. */
export function brokerTrouble(what: string, cause: unknown): Error {
  if (cause instanceof Fenced || cause instanceof PartitionFailure || cause instanceof RetryableError)
    return cause
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new RetryableError(`${what}: ${detail}`, { cause })
}
