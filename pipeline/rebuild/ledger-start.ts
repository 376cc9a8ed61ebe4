// Where a table of the ledger is rebuilt from: from the beginning of LEDGER, or, where weir retention has purged that, from a
// position for which every partition's newest checkpoint is there. The rows before it come from the table that is there, and
// only when they are those that the checkpoint's figures name.

import type { JetStreamManager } from '@nats-io/jetstream'
import { genesisOf } from '../broker/genesis.js'
import { natsSubjects } from '../broker/topology.js'
import type { Heads } from '../deliver/delivery-record.js'
import { type Checkpoint, checkpointFrom, parseCheckpoint } from '../ledger/checkpoint.js'
import type { Cuts } from './rebuilt-table.js'

export interface LedgerStart {
  /** Messages up to this sequence are not read; 0: all are. */
  readonly position: number
  /** The newest checkpoint of each partition up to the position. */
  readonly heads: Heads
}

interface Placed {
  readonly checkpoint: Checkpoint
  readonly seq: number
}

export async function ledgerStart(jsm: JetStreamManager, partitions: number): Promise<LedgerStart> {
  const firsts: Placed[] = []
  for (let partition = 0; partition < partitions; partition += 1) {
    const first = await checkpointFrom(jsm, partition, 1)
    if (first !== undefined) firsts.push(first)
  }
  if (firsts.every(({ checkpoint }) => checkpoint.follows === 0)) return { position: 0, heads: {} }
  const position = Math.max(...firsts.map(endOf))
  const heads: Record<string, Heads[string]> = {}
  for (const first of firsts) {
    const { checkpoint, seq } = await newestUpTo(jsm, first, position)
    heads[checkpoint.partition] = { seq, epoch: checkpoint.epoch, commit: checkpoint.commit }
  }
  return { position, heads }
}

/** The commits up to which rows are whole at a position, and the figures that each checkpoint names. */
export async function wholeCommits(
  jsm: JetStreamManager,
  heads: Heads,
  position: number,
): Promise<ReadonlyMap<number, Checkpoint>> {
  const { key } = await genesisOf(jsm)
  const whole = new Map<number, Checkpoint>()
  for (const [partition, head] of Object.entries(heads)) {
    let at = await checkpointAt(jsm, Number(partition), head.seq, key)
    // The position may lie within the newest commit; the one before it is whole.
    if (endOf(at) > position && at.checkpoint.follows > 0) {
      at = await checkpointAt(jsm, Number(partition), at.checkpoint.follows, key)
    }
    if (endOf(at) <= position) whole.set(Number(partition), at.checkpoint)
  }
  return whole
}

export function cutsOf(whole: ReadonlyMap<number, Checkpoint>): Cuts {
  return new Map([...whole].map(([partition, { commit }]) => [partition, commit]))
}

async function newestUpTo(jsm: JetStreamManager, first: Placed, position: number): Promise<Placed> {
  let newest = first
  for (;;) {
    const next = await checkpointFrom(jsm, first.checkpoint.partition, newest.seq + 1)
    if (next === undefined || endOf(next) > position) return newest
    newest = next
  }
}

async function checkpointAt(
  jsm: JetStreamManager,
  partition: number,
  seq: number,
  key: Uint8Array,
): Promise<Placed> {
  const message = await jsm.streams.getMessage('LEDGER', { seq })
  const isState = message?.subject === natsSubjects.ledger(partition, 'state')
  const checkpoint = isState ? parseCheckpoint(message.data, partition, key) : undefined
  if (checkpoint === undefined)
    throw new Error(`LEDGER holds no checkpoint of partition ${partition} at ${seq}`)
  return { checkpoint, seq }
}

/** The sequence of the last message of the commit. */
function endOf({ checkpoint, seq }: Placed): number {
  return seq + checkpoint.messages.length
}
