// The checkpoint: the JSON of `ledger.<p>.state`, which names everything that a partition needs to continue.
//
// Invariants:
// 1. The newest checkpoint alone says how far a partition is. Only a message that carries the last sequence
//    on the subject as its fence can replace it.
// 2. A checkpoint counts only if the installation's key sealed it and none before it is as new or newer.
//    Readers ignore what unknown writers publish on the subject, also an old checkpoint that is sent again.
// 3. A checkpoint names the messages of its commit, which come right after it, and the checkpoint before it.
// 4. `positions` say which input was processed, not which was delivered or acknowledged.

import type { JetStreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { genesisOf, openSealed, sealJson } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import { PartitionFailure } from './failures.js'

export const inputStreams = ['CATALOG', 'CONTROL', 'LIFECYCLE', 'METERING'] as const
export type InputStream = (typeof inputStreams)[number]

const sequence = z.int().nonnegative()
const position = z.object({ created: z.string(), seq: sequence })
/** `ledger_seq`: sequence in LEDGER of the checkpoint of the snapshot's commit; deltas follow it. */
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
  /** Sequence in LEDGER of the checkpoint before this one; 0 in the first. */
  follows: sequence,
  /** The messages right after the checkpoint, in order: last token of the subject, size in bytes. */
  messages: z.array(z.tuple([z.string(), sequence])),
  /** By table: control figures of all rows up to this commit, which reconcile compares with the tables. */
  figures: z.record(z.string(), figures),
})

export type Checkpoint = Readonly<z.infer<typeof checkpointSchema>>
export type Position = Readonly<z.infer<typeof position>>
export type Positions = Readonly<Record<InputStream, Position>>
export type SnapshotRef = Readonly<z.infer<typeof snapshotRef>>

export function encodeCheckpoint(checkpoint: Checkpoint, key: Uint8Array): Buffer {
  return sealJson(checkpoint, key)
}

/** Undefined when this key did not seal it, or when it belongs to another partition. */
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

/** Whether `one` is newer than `other`. A claim raises the epoch, a commit raises the commit number. */
export function isNewer(one: OrderOfCheckpoint, other: OrderOfCheckpoint): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.commit > other.commit)
}

export type OrderOfCheckpoint = Pick<Checkpoint, 'epoch' | 'commit'>

export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint
  /** Its sequence in LEDGER, which the next checkpoint names in `follows`. */
  readonly seq: number
  /** The last sequence on the subject: the fence. It is above `seq` if an unknown writer published. */
  readonly lastSeq: number
}

/**
 * Reads the newest checkpoint from the leader of LEDGER; a replica that is behind might answer a direct get.
 * `known` is the installation's key; without it the key is read from the broker.
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

/** The first checkpoint at or after a sequence. */
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
  /** Undefined when an unknown writer published the message. */
  readonly checkpoint: Checkpoint | undefined
}

/** Reads the messages on the state subject from one sequence to another, both included. */
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

/** Whether no checkpoint after `follows` is as new or newer; else this one was sent again (invariant 2). */
async function isOriginal(subject: StateSubject, checkpoint: Checkpoint, seq: number): Promise<boolean> {
  for await (const before of statesBetween(subject, checkpoint.follows + 1, seq - 1)) {
    if (before.checkpoint !== undefined && !isNewer(checkpoint, before.checkpoint)) return false
  }
  return true
}

const firstSpan = 64
const spanGrowth = 16

/** Searches messages of unknown writers for the newest original checkpoint, from the end backwards. */
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
