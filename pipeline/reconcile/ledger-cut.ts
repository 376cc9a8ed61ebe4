// Finds the commit up to which ledger and ClickHouse are compared, so that both sides have the same rows
// while the pipeline runs: the newest commit of each partition that the sink has applied completely. The
// checkpoint of a commit holds the figures of every row up to that commit, and every row names the commit
// that wrote it.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { noFigures, type RowFigures } from '../../schemas/rows/row-figures.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import {
  type Checkpoint,
  checkpointFrom,
  readCheckpoint,
  type StoredCheckpoint,
} from '../ledger/checkpoint.js'

export interface TableSource {
  readonly clickhouse: ClickHouseClient
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
}

export interface PartitionCut {
  readonly partition: number
  /** The newest commit that the sink has applied completely; undefined: the ledger holds no such commit. */
  readonly cut: PlacedCheckpoint | undefined
  /** The newest commit of the partition. */
  readonly newest: Checkpoint
}

/** A checkpoint, and its sequence in the ledger. */
export type PlacedCheckpoint = Omit<StoredCheckpoint, 'lastSeq'>

/** The sequence of the last message of its commit. */
export function endOf({ checkpoint, seq }: PlacedCheckpoint): number {
  return seq + checkpoint.messages.length
}

export function figuresAt(checkpoint: Checkpoint, table: string): RowFigures {
  return checkpoint.figures[table] ?? noFigures
}

/** `feed` is the feed of the ledger into ClickHouse. */
export async function cutPartition(
  jsm: JetStreamManager,
  sinks: KV,
  feed: Feed,
  partition: number,
): Promise<PartitionCut | undefined> {
  const newest = await readCheckpoint(jsm, partition)
  if (newest === undefined) return undefined
  const position = await recordedPosition(sinks, feed.key)
  const last = endOf(newest)
  const { stream, filterSubjects } = feed
  const isTaken = position >= last || (await isCovered({ jsm, stream, filterSubjects }, position, last))
  const cut = isTaken ? newest : await newestWholeUpTo(jsm, partition, position)
  return { partition, cut, newest: newest.checkpoint }
}

/** Halves the ledger: a checkpoint whose whole commit lies at or before the position, with none such behind it. */
async function newestWholeUpTo(
  jsm: JetStreamManager,
  partition: number,
  position: number,
): Promise<PlacedCheckpoint | undefined> {
  let found: PlacedCheckpoint | undefined
  let from = 1
  let until = position
  while (from <= until) {
    const middle = Math.floor((from + until) / 2)
    const next = await checkpointFrom(jsm, partition, middle)
    if (next !== undefined && endOf(next) <= position) {
      found = next
      from = next.seq + 1
    } else until = middle - 1
  }
  return found
}
