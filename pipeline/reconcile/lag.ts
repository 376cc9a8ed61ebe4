// Reads how far partitions and feeds are behind the ends of their streams.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { wasBorn } from '../broker/genesis.js'
import { natsSubjects, streamInfo } from '../broker/topology.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import { type Checkpoint, readCheckpoint, readLastSequence } from '../ledger/checkpoint.js'
import { PartitionFailure } from '../ledger/failures.js'
import type { Lag } from './report.js'

export interface Broker {
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
}

/** The number of partitions that the streams were created with (pipeline/broker/topology.ts). */
export async function partitionCount(jsm: JetStreamManager): Promise<number> {
  const info = await jsm.streams.info('LEDGER')
  const count = Number(info.config.metadata?.['weir.partitions'])
  if (!Number.isSafeInteger(count) || count < 1)
    throw new Error('The stream LEDGER does not say how many partitions there are.')
  return count
}

/** The newest checkpoint of each partition, except those never claimed and those whose checkpoint is lost. */
export async function readCheckpoints(jsm: JetStreamManager): Promise<Checkpoint[]> {
  const found = await readPartitions(jsm)
  return found.flatMap(one => (one.kind === 'checkpoint' ? [one.checkpoint] : []))
}

export type PartitionReading =
  | { readonly kind: 'checkpoint'; readonly partition: number; readonly checkpoint: Checkpoint }
  | { readonly kind: 'unborn'; readonly partition: number }
  | { readonly kind: 'lost'; readonly partition: number; readonly code: string; readonly detail: string }

/** What the ledger holds of each partition; a partition that cannot be read does not hide the others. */
export async function readPartitions(jsm: JetStreamManager): Promise<PartitionReading[]> {
  const partitions = Array.from({ length: await partitionCount(jsm) }, (_, partition) => partition)
  return Promise.all(partitions.map(partition => readPartition(jsm, partition)))
}

async function readPartition(jsm: JetStreamManager, partition: number): Promise<PartitionReading> {
  try {
    const stored = await readCheckpoint(jsm, partition)
    if (stored !== undefined) return { kind: 'checkpoint', partition, checkpoint: stored.checkpoint }
    if (!(await wasBorn(jsm, partition))) return { kind: 'unborn', partition }
    const detail = 'LEDGER holds no checkpoint of it any more'
    return { kind: 'lost', partition, code: 'checkpoint_missing', detail }
  } catch (error) {
    if (!(error instanceof PartitionFailure)) throw error
    return { kind: 'lost', partition, code: error.code, detail: error.message }
  }
}

/** Everything that is behind; empty when the pipeline and its sinks have caught up. */
export async function findLags({ jsm, sinks, feeds }: Broker): Promise<Lag[]> {
  const partitions = await Promise.all((await readCheckpoints(jsm)).map(one => partitionLags(jsm, one)))
  const ofFeeds = await Promise.all(feeds.map(feed => feedLag(jsm, sinks, feed)))
  return [...(await unplacedLag(jsm)), ...partitions.flat(), ...ofFeeds.filter(lag => lag !== undefined)]
}

/** Messages leave UNPLACED when they are placed, so its oldest one is the next. */
async function unplacedLag(jsm: JetStreamManager): Promise<Lag[]> {
  const info = await streamInfo(jsm, 'UNPLACED')
  if (info === undefined || info.state.messages === 0) return [] // undefined: an older version made the streams
  const { first_seq, last_seq } = info.state
  return [{ what: 'placing of UNPLACED', position: first_seq - 1, last: last_seq }]
}

async function partitionLags(jsm: JetStreamManager, checkpoint: Checkpoint): Promise<Lag[]> {
  const { partition, positions } = checkpoint
  const lasts = {
    METERING: await readLastSequence(jsm, 'METERING', natsSubjects.metering(partition)),
    LIFECYCLE: await readLastSequence(jsm, 'LIFECYCLE', natsSubjects.lifecycle(partition)),
  }
  return (['METERING', 'LIFECYCLE'] as const)
    .map(stream => ({
      what: `partition ${partition} of ${stream}`,
      position: positions[stream].seq,
      last: lasts[stream],
    }))
    .filter(lag => lag.position < lag.last)
}

/** Undefined when the feed is up to date, or has never been started here. */
async function feedLag(jsm: JetStreamManager, sinks: KV, feed: Feed): Promise<Lag | undefined> {
  if ((await sinks.get(feed.key)) === null) return undefined
  const position = await recordedPosition(sinks, feed.key)
  const { state } = await jsm.streams.info(feed.stream)
  if (position >= state.last_seq) return undefined
  if (
    await isCovered(
      { jsm, stream: feed.stream, filterSubjects: feed.filterSubjects },
      position,
      state.last_seq,
    )
  )
    return undefined
  return { what: `sink ${feed.key}`, position, last: state.last_seq }
}
