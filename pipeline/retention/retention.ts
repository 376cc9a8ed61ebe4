// Reports what the streams hold and how much of it is still needed, and purges the rest.
//
// Invariants:
// 1. An input is purged only below the smallest position of all partitions, since an idle partition must find the stream
//    beginning at or before what it reads next.
// 2. LEDGER keeps what a restore or a feed needs: for each partition the newest checkpoint, the snapshot that it
//    names with everything after it, and the newest checkpoint that each feed has delivered and resumes from.
// 3. A partition or feed whose position cannot be read keeps its whole stream.
// 4. Positions only grow, so what is not needed when it is read is not needed when it is purged.
// 5. No message younger than `keepDays` is purged.
// 6. Of WRITE_BACK the newest message of each customer and each exception stays (newest-of-each.ts).

import type { JetStreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { GenesisBook } from '../broker/genesis.js'
import { keyValueBuckets, natsSubjects, streamInfo, streamNames } from '../broker/topology.js'
import { decodeRecord } from '../deliver/delivery-record.js'
import { type Feed, isThinned } from '../deliver/feed.js'
import { type Checkpoint, readCheckpoint } from '../ledger/checkpoint.js'
import { type Bound, connectionBounds, purgeButNewest } from './newest-of-each.js'

/** The safe position of one partition in LEDGER, or of a whole input. */
export interface SafePosition {
  readonly partition: number | null
  /** Messages before this sequence are not needed; 1: all are needed. */
  readonly before: number
  /** The partition, feed or rule that needs the messages from there on. */
  readonly held_by: string
  /** Number of purged messages; null: no purge was requested. */
  readonly purged: number | null
}

export interface StreamRetention {
  readonly stream: string
  readonly messages: number
  readonly bytes: number
  readonly first_seq: number
  readonly last_seq: number
  /** Empty: this stream is kept whole. */
  readonly safe: readonly SafePosition[]
}

export interface RetentionReport {
  readonly applied: boolean
  readonly keep_days: number
  readonly streams: readonly StreamRetention[]
}

export interface RetentionOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
  readonly keepDays: number
  readonly nowMs: number
  /** True: purge; false: only report. */
  readonly apply: boolean
}

const dayMs = 86_400_000
const inputs = ['METERING', 'LIFECYCLE'] as const

export async function retain(options: RetentionOptions): Promise<RetentionReport> {
  const { jsm, apply, keepDays } = options
  const checkpoints = await readAll(jsm)
  const streams: StreamRetention[] = []
  for (const stream of streamNames) {
    // An older version made the streams; the next start makes what is missing.
    if ((await streamInfo(jsm, stream)) === undefined) continue
    const safe: SafePosition[] = []
    for (const { partition, filter, bound } of await boundsOf(options, stream, checkpoints)) {
      const { before, heldBy } = bound
      const purge = isThinned(stream) ? purgeButNewest : purgeAll
      const purged = apply && before > 1 ? await purge(jsm, stream, filter, before) : null
      safe.push({ partition, before, held_by: heldBy, purged })
    }
    const { state } = await jsm.streams.info(stream)
    const { messages, bytes, first_seq, last_seq } = state
    streams.push({ stream, messages, bytes, first_seq, last_seq, safe })
  }
  return { applied: apply, keep_days: keepDays, streams }
}

/** Gives up a lost bucket; the next start creates an empty one. False: no bucket of that name is missing. */
export async function forgetBucket(
  nc: NatsConnection,
  jsm: JetStreamManager,
  bucket: string,
): Promise<boolean> {
  const isOurs = (keyValueBuckets as readonly string[]).includes(bucket)
  const genesis = isOurs ? await GenesisBook.open(nc, jsm) : undefined
  if (genesis === undefined || !genesis.record.buckets.includes(bucket)) return false
  for await (const name of new Kvm(nc).list()) if (name.bucket === bucket) return false
  await genesis.forget(bucket)
  return true
}

interface StreamBound {
  readonly partition: number | null
  readonly filter: string | undefined
  readonly bound: Bound
}

async function boundsOf(
  options: RetentionOptions,
  stream: string,
  checkpoints: readonly (Checkpoint | undefined)[],
): Promise<StreamBound[]> {
  const young = await firstYoung(options, stream)
  const isInput = inputs.find(name => name === stream)
  if (isInput !== undefined) {
    const bounds = checkpoints.map((one, partition) => ({
      before: (one?.positions[isInput].seq ?? 0) + 1,
      heldBy: `partition ${partition}`,
    }))
    return [{ partition: null, filter: undefined, bound: least([young, ...bounds]) }] // invariant 1
  }
  if (isThinned(stream)) {
    const bound = least([young, ...(await connectionBounds(options, stream))])
    return [{ partition: null, filter: undefined, bound }]
  }
  if (stream !== 'LEDGER') return []
  const records = await Promise.all(
    options.feeds
      .filter(feed => feed.stream === 'LEDGER')
      .map(async ({ key }) => ({ key, record: await recordOf(options.sinks, key) })),
  )
  return checkpoints.map((checkpoint, partition) => {
    const ofFeeds = records.map(({ key, record }) => ({
      before: record?.heads?.[partition]?.seq ?? 1, // invariant 3
      heldBy: `sink ${key}`,
    }))
    const snapshot = { before: checkpoint?.snapshot?.ledger_seq ?? 1, heldBy: 'the newest snapshot' }
    const bound = least([young, snapshot, ...ofFeeds]) // invariant 2
    return { partition, filter: natsSubjects.ledger(partition, '>'), bound }
  })
}

function least(bounds: readonly Bound[]): Bound {
  return bounds.reduce((low, bound) => (bound.before < low.before ? bound : low))
}

async function recordOf(sinks: KV, key: string) {
  const entry = await sinks.get(key)
  return entry === null ? undefined : decodeRecord(entry.value)
}

/** The newest checkpoint of each partition; undefined when it has none that can be read. */
async function readAll(jsm: JetStreamManager): Promise<readonly (Checkpoint | undefined)[]> {
  const { config } = await jsm.streams.info('LEDGER')
  const count = Number(config.metadata?.['weir.partitions'])
  if (!Number.isSafeInteger(count) || count < 1)
    throw new Error('LEDGER does not say how many partitions it has.')
  return Promise.all(
    Array.from({ length: count }, async (_, p) => (await readCheckpoint(jsm, p))?.checkpoint),
  )
}

/** The first message younger than `keepDays` (invariant 5), by binary search: times grow with sequences. */
async function firstYoung({ jsm, keepDays, nowMs }: RetentionOptions, stream: string): Promise<Bound> {
  const { state } = await jsm.streams.info(stream)
  const oldestMs = nowMs - keepDays * dayMs
  let low = Math.max(1, state.first_seq)
  let high = state.last_seq + 1
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const query = { seq: middle, next_by_subj: '>' }
    const found = await jsm.streams.getMessage(stream, query)
    if (found === null || found.time.getTime() >= oldestMs) high = middle
    else low = found.seq + 1
  }
  return { before: low, heldBy: `--keep-days ${keepDays}` }
}

async function purgeAll(
  jsm: JetStreamManager,
  stream: string,
  filter: string | undefined,
  before: number,
): Promise<number> {
  const { purged } = await jsm.streams.purge(stream, {
    seq: before,
    ...(filter === undefined ? {} : { filter }),
  })
  return purged
}
