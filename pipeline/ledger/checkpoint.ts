// The checkpoint: the JSON of `ledger.<p>.state`, which names everything that a partition needs to go on.
//
// Invariants:
// 1. The newest checkpoint of a partition is the truth about how far it is. It is only ever replaced by a message that
//    carries the sequence of the one it replaces.
// 2. A checkpoint counts only if the installation's key sealed it and nothing as new was sealed before it: what a stranger
//    publishes on its subject, an old checkpoint sent again included, is passed over.
// 3. It names the messages that lie behind it, and the checkpoint that it follows.
// 4. `positions` are what was processed, not what was delivered or acknowledged.

import type { JetStreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { genesisOf, openSealed, sealJson } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import { PartitionFailure } from './failures.js'

export const inputStreams = ['CATALOG', 'CONTROL', 'LIFECYCLE', 'METERING'] as const
export type InputStream = (typeof inputStreams)[number]

const sequence = z.int().nonnegative()
const position = z.object({ created: z.string(), seq: sequence })
/** `ledger_seq`: where the checkpoint of the snapshot's commit lies in LEDGER; deltas are read from there. */
const snapshotRef = z.object({ object: z.string(), commit: sequence, ledger_seq: sequence })

const counters = z.object({
  received: z.number(),
  rated: z.number(),
  applied: z.number(),
  duplicate: z.number(),
  conflicting: z.number(),
  parked: z.number(),
  dead_lettered: z.number(),
  unmetered: z.number(),
})

const decimalText = z.string().regex(/^-?\d+$/)
const figures = z.object({ rows: sequence, checksum: decimalText, sums: z.record(z.string(), decimalText) })

const checkpointSchema = z.object({
  format: z.literal(2),
  partition: sequence,
  epoch: sequence,
  /** Who claimed this epoch: host, process and a random part. */
  owner: z.string(),
  commit: sequence,
  positions: z.object({ CATALOG: position, CONTROL: position, LIFECYCLE: position, METERING: position }),
  snapshot: snapshotRef.nullable(),
  delta_chunks: sequence,
  counters,
  /** Where the checkpoint before it lies in LEDGER; 0: it is the first. */
  follows: sequence,
  /** The messages that lie side by side behind it: the end of their subject, and their bytes. */
  messages: z.array(z.tuple([z.string(), sequence])),
  /** By table, of all rows since the partition began, those of this commit included: what reconcile holds tables against. */
  figures: z.record(z.string(), figures),
})

export type Checkpoint = Readonly<z.infer<typeof checkpointSchema>>
export type Position = Readonly<z.infer<typeof position>>
export type Positions = Readonly<Record<InputStream, Position>>
export type SnapshotRef = Readonly<z.infer<typeof snapshotRef>>

export function encodeCheckpoint(checkpoint: Checkpoint, key: Uint8Array): Buffer {
  return sealJson(checkpoint, key)
}

/** Undefined when it is not ours, or not of this partition. */
export function parseCheckpoint(
  bytes: Uint8Array,
  partition: number,
  key: Uint8Array,
): Checkpoint | undefined {
  const value = openSealed(bytes, key)
  if (value === undefined) return undefined
  const parsed = checkpointSchema.safeParse(value)
  if (!parsed.success) {
    const text = `The checkpoint of partition ${partition} cannot be read: ${z.prettifyError(parsed.error)}. It was written by another version of Weir.`
    throw new PartitionFailure('checkpoint_unreadable', text, { cause: parsed.error })
  }
  return parsed.data.partition === partition ? parsed.data : undefined
}

/** Which of two checkpoints of a partition is the newer: claims raise the epoch, commits the commit. */
export function isNewer(one: OrderOfCheckpoint, other: OrderOfCheckpoint): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.commit > other.commit)
}

export type OrderOfCheckpoint = Pick<Checkpoint, 'epoch' | 'commit'>

export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint
  /** Its sequence in LEDGER: what the next one follows. */
  readonly seq: number
  /** The last sequence on its subject, which the next one must carry as its fence; above `seq` lie strangers' messages. */
  readonly lastSeq: number
}

/**
 * The newest checkpoint, from the leader of LEDGER: never a direct get, which a replica may answer. `known`: the key of the
 * installation, where the caller has it; else it is read.
 */
export async function readCheckpoint(
  jsm: JetStreamManager,
  partition: number,
  known?: Uint8Array,
): Promise<StoredCheckpoint | undefined> {
  const key = known ?? (await genesisOf(jsm)).key
  const natsSubject = natsSubjects.ledger(partition, 'state')
  const last = await jsm.streams.getMessage('LEDGER', { last_by_subj: natsSubject })
  if (last === null) return undefined
  const checkpoint = parseCheckpoint(last.data, partition, key)
  const subject: StateSubject = { jsm, partition, key }
  if (checkpoint !== undefined && (await isOriginal(subject, checkpoint, last.seq))) {
    return { checkpoint, seq: last.seq, lastSeq: last.seq }
  }
  return searchBack(subject, last.seq)
}

/** The first checkpoint that lies at or after a sequence. */
export async function checkpointFrom(
  jsm: JetStreamManager,
  partition: number,
  from: number,
): Promise<Omit<StoredCheckpoint, 'lastSeq'> | undefined> {
  const { key } = await genesisOf(jsm)
  const subject: StateSubject = { jsm, partition, key }
  for await (const { checkpoint, seq } of statesBetween(
    subject,
    Math.max(1, from),
    Number.MAX_SAFE_INTEGER,
  )) {
    if (checkpoint !== undefined && (await isOriginal(subject, checkpoint, seq))) return { checkpoint, seq }
  }
  return undefined
}

interface StateSubject {
  readonly jsm: JetStreamManager
  readonly partition: number
  readonly key: Uint8Array
}

interface FoundState {
  readonly seq: number
  /** Undefined: a stranger's. */
  readonly checkpoint: Checkpoint | undefined
}

/** What lies on the subject from a sequence on, up to another one. */
async function* statesBetween(
  { jsm, partition, key }: StateSubject,
  from: number,
  to: number,
): AsyncGenerator<FoundState> {
  const natsSubject = natsSubjects.ledger(partition, 'state')
  for (let seq = from; seq <= to; ) {
    // The library's type leaves `next_by_subj` out; the server has it since 2.8.
    const query = { seq, next_by_subj: natsSubject }
    const found = await jsm.streams.getMessage('LEDGER', query)
    if (found === null || found.seq > to) return
    yield { seq: found.seq, checkpoint: parseCheckpoint(found.data, partition, key) }
    seq = found.seq + 1
  }
}

/** Whether nothing as new lies between it and what it follows: else somebody sent an old one again (invariant 2). */
async function isOriginal(subject: StateSubject, checkpoint: Checkpoint, seq: number): Promise<boolean> {
  for await (const before of statesBetween(subject, checkpoint.follows + 1, seq - 1)) {
    if (before.checkpoint !== undefined && !isNewer(checkpoint, before.checkpoint)) return false
  }
  return true
}

const firstSpan = 64
const spanGrowth = 16

/** The newest original among strangers' messages: looked for near the end first. */
async function searchBack(subject: StateSubject, lastSeq: number): Promise<StoredCheckpoint | undefined> {
  for (let span = firstSpan; ; span *= spanGrowth) {
    const from = Math.max(1, lastSeq - span)
    let newest: { readonly checkpoint: Checkpoint; readonly seq: number } | undefined
    for await (const { checkpoint, seq } of statesBetween(subject, from, lastSeq)) {
      if (checkpoint === undefined) continue
      if (newest === undefined || isNewer(checkpoint, newest.checkpoint)) newest = { checkpoint, seq }
    }
    if (newest !== undefined && (await isOriginal(subject, newest.checkpoint, newest.seq))) {
      return { ...newest, lastSeq }
    }
    if (from === 1) return undefined
  }
}

/** The sequence of the last message on a subject, 0 when there is none. */
export async function readLastSequence(
  jsm: JetStreamManager,
  stream: string,
  natsSubject: string,
): Promise<number> {
  return (await jsm.streams.getMessage(stream, { last_by_subj: natsSubject }))?.seq ?? 0
}
