// The streams, the object store and the key-value buckets, and the NATS subjects in them.
//
// Owns their names and settings. Does not own who reads or writes them.
// Invariants:
// 1. The number of partitions is written into each stream and never changes: it decides where a customer's events are.
// 2. A message for a partition that does not exist is refused by the broker, not stored where nobody reads it.
// 3. `ensureTopology` may run at any time, in any number of processes at once. What an operator tuned (replicas,
//    placement, compression, limits) stays as it is.
// 4. What was made once (genesis.ts) and is gone, or is another one of that name, is never made anew in silence.

import {
  AckPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { Objm, setSha256Backend } from '@nats-io/obj'
import type { NatsConnection } from '@nats-io/transport-node'
import { GenesisBook } from './genesis.js'

export const streamNames = [
  'METERING',
  'LIFECYCLE',
  'CATALOG',
  'CONTROL',
  'LEDGER',
  'BILLING',
  'POSTINGS',
  'DELIVERIES',
] as const
export type StreamName = (typeof streamNames)[number]

export const snapshotBucket = 'weir_snapshots'
const keyMarkerTtlMs = 60_000
export const keyValueBuckets = ['weir_sinks', 'weir_runs', 'weir_keys'] as const
/** Feeds find out by themselves whether their position was lost, and stop alone. */
const mayBeMadeAgain: ReadonlySet<string> = new Set(['weir_sinks'])

/** Where things are published and read. A partition's wildcard subjects are what its consumers filter by. */
export const natsSubjects = {
  gatewayMetering: (partition: number) => `metering.${partition}.gateway`,
  gatewayLifecycle: (partition: number) => `lifecycle.${partition}.gateway`,
  metering: (partition: number) => `metering.${partition}.>`,
  lifecycle: (partition: number) => `lifecycle.${partition}.>`,
  catalog: 'catalog.published',
  billingRun: 'control.billing_run',
  ledger: (partition: number, what: string) => `ledger.${partition}.${what}`,
  /** Answered by the process that owns the partition; not stored. */
  owner: (partition: number) => `weir.owner.${partition}`,
} as const

/** The durable consumer of `BILLING` and of `POSTINGS` that belongs to their receiver. */
export const readerName = 'reader'

export interface TopologyOptions {
  readonly partitions: number
  /** Of streams that are made now. Default 1; 3 in a cluster. */
  readonly replicas?: number
}

/** Something about the broker that we must not work with. `code` is stable. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError'
  readonly code: TopologyErrorCode

  constructor(code: TopologyErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}

export type TopologyErrorCode =
  | 'partition_count_differs'
  | 'format_differs'
  | 'server_too_old'
  | 'not_a_weir_stream'
  /** Something that was made once is gone, or is not the one that was made. */
  | 'genesis_missing'
  | 'stream_missing'
  | 'stream_replaced'
  | 'bucket_missing'

const formatNumber = '2'
/** Server 2.12: atomic batches. */
const leastApiLevel = 2

/** Makes what is missing and checks what is there. Returns the streams as they are. */
export async function ensureTopology(
  nc: NatsConnection,
  options: TopologyOptions,
): Promise<Record<StreamName, StreamInfo>> {
  const level = nc.info?.api_lvl ?? 0
  if (level < leastApiLevel) {
    const found = nc.info?.version ?? 'unknown'
    throw new TopologyError('server_too_old', `nats-server is ${found}; Weir needs 2.12 or newer.`)
  }
  setSha256Backend('native')
  const jsm = await jetstreamManager(nc)
  const replicas = options.replicas ?? 1
  const genesis = await openGenesis(nc, jsm, options)
  const made: Partial<Record<StreamName, StreamInfo>> = {}
  for (const wanted of streamConfigs(options)) {
    made[wanted.name] = await ensureStream(jsm, wanted, options, genesis.record.streams[wanted.name])
  }
  for (const stream of ['BILLING', 'POSTINGS'] as const) await ensureReader(jsm, stream)
  await new Objm(nc).create(snapshotBucket, {
    storage: StorageType.File,
    replicas,
    description: 'Weir: snapshots of partition state',
  })
  const kvm = new Kvm(nc)
  for (const bucket of keyValueBuckets) {
    const isLost =
      genesis.record.buckets.includes(bucket) && (await streamInfo(jsm, `KV_${bucket}`)) === undefined
    if (isLost && !mayBeMadeAgain.has(bucket)) {
      throw new TopologyError(
        'bucket_missing',
        `The bucket ${bucket} is gone. Restore it from a backup. To give up what it held and begin with an empty one:` +
          ` weir retention forget ${bucket} --yes`,
      ) // invariant 4
    }
    // A time to live per key, which previews of billing runs have, needs a time to live of what marks its end.
    await kvm.create(bucket, { storage: StorageType.File, replicas, history: 1, markerTTL: keyMarkerTtlMs })
  }
  const streams = Object.values(made).map(({ config, created }): [string, string] => [config.name, created])
  await genesis.complete(Object.fromEntries(streams), keyValueBuckets)
  return made as Record<StreamName, StreamInfo>
}

/** The record of the beginning; made only where nothing of ours is. */
async function openGenesis(
  nc: NatsConnection,
  jsm: JetStreamManager,
  options: TopologyOptions,
): Promise<GenesisBook> {
  const before = await GenesisBook.open(nc, jsm)
  if (before !== undefined) return before
  for (const name of streamNames) {
    const found = await streamInfo(jsm, name)
    if (found === undefined) continue
    const meanwhile = await GenesisBook.open(nc, jsm) // another process made both
    if (meanwhile !== undefined) return meanwhile
    assertOurs(found, name, options.partitions)
    throw new TopologyError(
      'genesis_missing',
      `${name} is there, but the bucket weir_genesis, which says what was made with it, is gone. Restore it from a backup.`,
    )
  }
  return GenesisBook.begin(nc, jsm, options.replicas ?? 1)
}

/** For whoever takes batches or journals: he need not be allowed to make consumers, nor to ask for anything else. */
async function ensureReader(jsm: JetStreamManager, stream: 'BILLING' | 'POSTINGS'): Promise<void> {
  try {
    await jsm.consumers.info(stream, readerName) // what an operator tuned stays as it is
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.ConsumerNotFound)
      throw error
    await jsm.consumers.add(stream, { durable_name: readerName, ack_policy: AckPolicy.Explicit })
  }
}

type WantedStream = Partial<StreamConfig> & { readonly name: StreamName; readonly subjects: string[] }

function streamConfigs({ partitions }: TopologyOptions): readonly WantedStream[] {
  const each = (subject: (partition: number) => string) =>
    Array.from({ length: partitions }, (_, p) => subject(p))
  // The partition of `usage.<customer token>` is counted by the broker itself.
  const split = (from: string, to: string) => ({
    src: `${from}.*`,
    dest: `${to}.{{partition(${partitions},1)}}.{{wildcard(1)}}`,
  })
  return [
    {
      name: 'METERING',
      description: 'Usage events, by partition',
      subjects: [...each(natsSubjects.metering), 'usage.*'], // invariant 2
      subject_transform: split('usage', 'metering'),
    },
    {
      name: 'LIFECYCLE',
      description: 'Customer, subscription and revenue events, by partition',
      subjects: [...each(natsSubjects.lifecycle), 'changes.*'],
      subject_transform: split('changes', 'lifecycle'),
    },
    { name: 'CATALOG', description: 'Catalogs and exchange rates', subjects: [natsSubjects.catalog] },
    { name: 'CONTROL', description: 'Orders to every partition', subjects: ['control.>'] },
    {
      name: 'LEDGER',
      description: 'Commits: checkpoints, state and rated rows, as atomic batches',
      subjects: each(partition => natsSubjects.ledger(partition, '>')),
      allow_atomic: true,
    },
    { name: 'BILLING', description: 'Sealed billing batches', subjects: ['billing.>'], allow_atomic: true },
    { name: 'POSTINGS', description: 'Journal entries', subjects: ['postings.>'], allow_atomic: true },
    {
      name: 'DELIVERIES',
      description: 'What became of each record at each connection',
      subjects: ['deliveries.>'],
      allow_atomic: true,
    },
  ]
}

/** Nothing ages out, and no single message can be deleted. Purging what was processed long ago stays possible. */
const common: Partial<StreamConfig> = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_age: 0,
  deny_delete: true,
  allow_direct: false, // a direct get may be answered by a replica that is behind
}

async function ensureStream(
  jsm: JetStreamManager,
  wanted: WantedStream,
  options: TopologyOptions,
  createdOnce: string | undefined,
): Promise<StreamInfo> {
  const metadata = { 'weir.partitions': String(options.partitions), 'weir.format': formatNumber }
  const found = await streamInfo(jsm, wanted.name)
  if (createdOnce !== undefined) assertKept(wanted.name, createdOnce, found?.created) // invariant 4
  if (found !== undefined) return updateStream(jsm, found, wanted, options.partitions)
  try {
    return await jsm.streams.add({ ...common, ...wanted, metadata, num_replicas: options.replicas ?? 1 })
  } catch (error) {
    // Another process made it between our question and our request, with other replicas or partitions.
    const made = await streamInfo(jsm, wanted.name)
    if (made === undefined) throw error
    return updateStream(jsm, made, wanted, options.partitions)
  }
}

function assertKept(name: string, createdOnce: string, created: string | undefined): void {
  if (created === createdOnce) return
  const remedy = 'Restore it from a backup, or begin with another NATS account or data directory.'
  if (created === undefined) {
    const detail = `The stream ${name}, made at ${createdOnce}, is gone; nothing else holds what it held. ${remedy}`
    throw new TopologyError('stream_missing', detail)
  }
  const detail = `${name} was made at ${created}; this installation's was made at ${createdOnce}. ${remedy}`
  throw new TopologyError('stream_replaced', detail)
}

async function updateStream(
  jsm: JetStreamManager,
  found: StreamInfo,
  wanted: WantedStream,
  partitions: number,
): Promise<StreamInfo> {
  const { name } = wanted
  assertOurs(found, name, partitions)
  const same =
    JSON.stringify(found.config.subjects) === JSON.stringify(wanted.subjects) &&
    found.config.subject_transform?.dest === wanted.subject_transform?.dest &&
    found.config.allow_atomic === (wanted.allow_atomic ?? false)
  if (same) return found
  return jsm.streams.update(name, { ...found.config, ...wanted }) // invariant 3
}

function assertOurs(found: StreamInfo, name: string, partitions: number): void {
  const theirs = found.config.metadata?.['weir.partitions']
  if (theirs === undefined) {
    const detail = `The stream ${name} exists and was not made by Weir. Use another NATS account, or rename it.`
    throw new TopologyError('not_a_weir_stream', detail)
  }
  if (theirs !== String(partitions)) {
    throw new TopologyError(
      'partition_count_differs',
      `${name} has ${theirs} partitions, the configuration says ${partitions}. The number is fixed when the streams` +
        ` are made: set partitions: ${theirs}, or start with another NATS account or data directory.`,
    ) // invariant 1
  }
  const format = found.config.metadata?.['weir.format']
  if (format !== formatNumber) {
    throw new TopologyError(
      'format_differs',
      `${name} has format ${format}; this Weir writes ${formatNumber}.`,
    )
  }
}

/** Undefined when there is no such stream. */
export async function streamInfo(jsm: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(stream)
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined
    throw error
  }
}
