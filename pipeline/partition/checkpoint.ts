// The checkpoint: the JSON of `ledger.<p>.state`, which names everything that a partition needs to go on.
//
// Invariants:
// 1. The newest checkpoint of a partition is the truth about how far it is. It is only ever replaced by a message that
//    carries the sequence of the one it replaces.
// 2. `positions` are what was processed, not what was delivered or acknowledged.

import type { JetStreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { natsSubjects } from '../topology.js'
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

const checkpointSchema = z.object({
  format: z.literal(1),
  partition: sequence,
  epoch: sequence,
  /** Who claimed this epoch: host, process and a random part. */
  owner: z.string(),
  commit: sequence,
  positions: z.object({ CATALOG: position, CONTROL: position, LIFECYCLE: position, METERING: position }),
  snapshot: snapshotRef.nullable(),
  delta_chunks: sequence,
  counters,
})

export type Checkpoint = Readonly<z.infer<typeof checkpointSchema>>
export type Position = Readonly<z.infer<typeof position>>
export type Positions = Readonly<Record<InputStream, Position>>
export type SnapshotRef = Readonly<z.infer<typeof snapshotRef>>

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return Buffer.from(JSON.stringify(checkpoint), 'utf8')
}

export function parseCheckpoint(bytes: Uint8Array, partition: number): Checkpoint {
  const fail = (detail: string, cause?: unknown) => {
    const text = `The checkpoint of partition ${partition} cannot be read: ${detail}. It was written by another version of Weir, or by something else.`
    return new PartitionFailure('checkpoint_unreadable', text, { cause })
  }
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw fail('it is not JSON', cause)
  }
  const parsed = checkpointSchema.safeParse(value)
  if (!parsed.success) throw fail(z.prettifyError(parsed.error), parsed.error)
  if (parsed.data.partition !== partition) throw fail(`it is of partition ${parsed.data.partition}`)
  return parsed.data
}

export interface StoredCheckpoint {
  readonly checkpoint: Checkpoint
  /** Its sequence in LEDGER: what the next one must carry as its fence. */
  readonly seq: number
}

/** The newest checkpoint, from the leader of LEDGER: never a direct get, which a replica may answer. */
export async function readCheckpoint(
  jsm: JetStreamManager,
  partition: number,
): Promise<StoredCheckpoint | undefined> {
  const stored = await jsm.streams.getMessage('LEDGER', {
    last_by_subj: natsSubjects.ledger(partition, 'state'),
  })
  if (stored === null) return undefined
  return { checkpoint: parseCheckpoint(stored.data, partition), seq: stored.seq }
}

/** The sequence of the last message on a subject, 0 when there is none. */
export async function readLastSequence(
  jsm: JetStreamManager,
  stream: string,
  natsSubject: string,
): Promise<number> {
  return (await jsm.streams.getMessage(stream, { last_by_subj: natsSubject }))?.seq ?? 0
}
