// The streams, the object store and the key-value buckets, and the NATS subjects in them.
//
// Owns their names and settings. Does not own who reads or writes them.
// Invariants:
// 1. Each stream records the number of partitions, which never changes: it decides a customer's partition.
// 2. The broker refuses a message for a partition that does not exist: nobody would read the message.
// 3. `ensureTopology` may run at any time, in any number of processes at once. It keeps the settings that an
//    operator changed (replicas, placement, compression, limits).
// 4. Whatever is published under `usage.` or `changes.` is kept: what has more than one token after it, and so no
//    partition that the broker could compute, is taken by UNPLACED, and leaves it once it is in its partition.
// 5. A stream or bucket that genesis.ts names and that is lost or replaced is never silently made again.

import { setTimeout as sleep } from 'node:timers/promises'
import {
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
import { ensurePlacer, ensureReaders } from './durable-consumers.js'
import { GenesisBook } from './genesis.js'
import { TopologyError } from './topology-error.js'

export const streamNames = [
  'METERING',
  'LIFECYCLE',
  'UNPLACED',
  'CATALOG',
  'CONTROL',
  'LEDGER',
  'BILLING',
  'POSTINGS',
  'DELIVERIES',
  'AUDIT',
  'PERSONAL_KEYS',
  'RESOLUTIONS',
  'ARRIVALS',
  'ARRIVAL_OUTCOMES',
  'WRITE_BACK',
] as const
export type StreamName = (typeof streamNames)[number]

export const snapshotBucket = 'weir_snapshots'
const keyMarkerTtlMs = 60_000
/** What replays found. */
export const replaysBucket = 'weir_replays'
const replaysKeptMs = 90 * 86_400_000
export const keyValueBuckets = [
  'weir_sinks',
  'weir_runs',
  'weir_keys',
  'weir_audit',
  'weir_approvals',
  'weir_jobs',
  replaysBucket,
  'weir_flow',
  'weir_identities',
  'weir_tokens',
  'weir_arrivals',
  'weir_gates',
  'weir_taxes',
] as const
/**
 * Positions of feeds: each feed notices by itself that its position was lost, and stops alone. What replays found can be
 * found again.
 */
const mayBeMadeAgain: ReadonlySet<string> = new Set(['weir_sinks', replaysBucket])

/** Subjects to publish to and read from. The consumers of a partition filter by its wildcard subjects. */
export const natsSubjects = {
  gatewayMetering: (partition: number) => `metering.${partition}.gateway`,
  gatewayLifecycle: (partition: number) => `lifecycle.${partition}.gateway`,
  metering: (partition: number) => `metering.${partition}.>`,
  lifecycle: (partition: number) => `lifecycle.${partition}.>`,
  /** Messages that Weir itself brought to their partition. No producer's subject can become one of two tokens. */
  placed: (root: 'metering' | 'lifecycle', partition: number) => `${root}.${partition}.weir.placed`,
  catalog: 'catalog.published',
  billingRun: 'control.billing_run',
  /** Orders to release deferred revenue. */
  release: 'control.release',
  audit: 'audit.entry',
  personalKey: (customerHash: string) => `personal_keys.${customerHash}`,
  /** `what` is redriven, discarded or undone. */
  resolution: (what: string) => `resolutions.${what}`,
  /** What a source sent: one message for each, on a subject of its own, so that the broker knows a second one. */
  arrival: (source: string, token: string) => `arrivals.${source}.${token}`,
  arrivals: (source: string) => `arrivals.${source}.*`,
  /** What became of the arrivals of a source; the last message is how far its mapper is. */
  arrivalOutcomes: (source: string) => `arrival_outcomes.${source}`,
  /** How a customer stands, and how an exception does; the last message of a subject is what was told last. */
  standing: (entity: string, customer: string) => `write_back.standing.${entity}.${customer}`,
  supportCase: (exceptionId: string) => `write_back.case.${exceptionId}`,
  ledger: (partition: number, what: string) => `ledger.${partition}.${what}`,
  /** For requests that the owner of the partition answers; not stored in a stream. */
  owner: (partition: number) => `weir.owner.${partition}`,
} as const

/** Of the broker's largest message: room for what Weir adds to the headers of a message that it places. */
const placedHeaderBytes = 256

export interface TopologyOptions {
  readonly partitions: number
  /** Replicas of the streams that are made now. Default 1; 3 in a cluster. */
  readonly replicas?: number
  /** How long a cluster may take to have enough servers for the replicas. Default 15 s. */
  readonly placementMs?: number
}

const formatNumber = '2'
/** Server 2.12: atomic batches. */
const leastApiLevel = 2

/**
 * Makes missing streams and buckets, and checks the others. Returns the state of the streams. Waits a little for a cluster
 * that is not whole yet.
 */
export async function ensureTopology(
  nc: NatsConnection,
  options: TopologyOptions,
): Promise<Record<StreamName, StreamInfo>> {
  const deadlineMs = performance.now() + (options.placementMs ?? 15_000)
  for (;;) {
    try {
      return await makeOrCheck(nc, options)
    } catch (error) {
      if (!(error instanceof JetStreamApiError) || !placementCodes.has(error.code)) throw error
      if (error.code === noCluster || performance.now() >= deadlineMs) {
        throw new TopologyError(
          'replicas_not_possible',
          `The broker cannot keep ${options.replicas} copies of each stream: ${error.message}. Set nats.replicas to at most the` +
            ` number of servers of the cluster that have JetStream, or start the servers that are missing.`,
        )
      }
      await sleep(500)
    }
  }
}

/** The server's error codes for: replicas without a cluster, too few servers for the replicas. */
const noCluster = 10074
const placementCodes: ReadonlySet<number> = new Set([noCluster, 10005])

async function makeOrCheck(
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
  const maxPayload = nc.info?.max_payload ?? 1 << 20
  for (const wanted of streamConfigs(options, maxPayload)) {
    made[wanted.name] = await ensureStream(jsm, wanted, options, genesis.record.streams[wanted.name])
  }
  await ensureReaders(jsm)
  await ensurePlacer(jsm)
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
      ) // invariant 5
    }
    // Previews of billing runs set a time to live per key, which needs a time to live for delete markers.
    const kept = bucket === replaysBucket ? { ttl: replaysKeptMs } : {}
    const settings = { storage: StorageType.File, replicas, history: 1, markerTTL: keyMarkerTtlMs }
    await kvm.create(bucket, { ...settings, ...kept })
  }
  const streams = Object.values(made).map(({ config, created }): [string, string] => [config.name, created])
  await genesis.complete(Object.fromEntries(streams), keyValueBuckets)
  return made as Record<StreamName, StreamInfo>
}

/** Opens the genesis record. Makes it only if no stream of Weir exists. */
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
    const meanwhile = await GenesisBook.open(nc, jsm) // another process made the record and the stream
    if (meanwhile !== undefined) return meanwhile
    assertOurs(found, name, options.partitions)
    throw new TopologyError(
      'genesis_missing',
      `${name} is there, but the bucket weir_genesis, which says what was made with it, is gone. Restore it from a backup.`,
    )
  }
  return GenesisBook.begin(nc, jsm, options.replicas ?? 1)
}

type WantedStream = Partial<StreamConfig> & { readonly name: StreamName; readonly subjects: string[] }

function streamConfigs({ partitions }: TopologyOptions, maxPayload: number): readonly WantedStream[] {
  const each = (subject: (partition: number) => string) =>
    Array.from({ length: partitions }, (_, p) => subject(p))
  // The broker itself computes the partition of `usage.<customer token>`.
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
    {
      name: 'UNPLACED',
      description:
        'Usage and changes of customers whose id the subject has in several tokens, until they are placed',
      subjects: ['usage.*.>', 'changes.*.>'], // invariant 4
      retention: RetentionPolicy.Workqueue,
      max_msg_size: maxPayload - placedHeaderBytes,
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
    {
      name: 'POSTINGS',
      description:
        'Journal entries; releases to come, by day; summaries; closed periods; what stands of taxes: stored together',
      subjects: ['postings.>', 'schedules.>', 'summaries.>', 'periods.>', 'taxes.>'],
      allow_atomic: true,
    },
    {
      name: 'DELIVERIES',
      description: 'What became of each record at each connection',
      subjects: ['deliveries.>'],
      allow_atomic: true,
    },
    {
      name: 'AUDIT',
      description: 'Who did what, when and why, as a chain of hashes',
      subjects: [natsSubjects.audit],
      allow_atomic: true,
      deny_purge: true,
    },
    {
      name: 'PERSONAL_KEYS',
      description: 'The keys of personal data, by customer',
      subjects: [natsSubjects.personalKey('*')],
      max_msgs_per_subject: 2, // a record and the one that it replaces, until that one is overwritten
      deny_delete: false,
    },
    { name: 'RESOLUTIONS', description: 'What people and jobs answered', subjects: ['resolutions.>'] },
    ...ofOtherSystems,
  ]
}

const ofOtherSystems: readonly WantedStream[] = [
  {
    name: 'ARRIVALS',
    description: 'What systems of record sent, as it came',
    subjects: [natsSubjects.arrival('*', '*')],
  },
  {
    name: 'ARRIVAL_OUTCOMES',
    description: 'What became of each arrival',
    subjects: [natsSubjects.arrivalOutcomes('*')],
  },
  {
    name: 'WRITE_BACK',
    description: 'How customers and exceptions stand, for systems that are told of them',
    subjects: ['write_back.>'],
  },
]

/** Messages never expire, and no single message can be deleted, but for erased keys. Processed messages can be purged. */
const common: Partial<StreamConfig> = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  max_age: 0,
  deny_delete: true,
  allow_direct: false, // a replica that is behind may answer a direct get
}

async function ensureStream(
  jsm: JetStreamManager,
  wanted: WantedStream,
  options: TopologyOptions,
  createdOnce: string | undefined,
): Promise<StreamInfo> {
  const metadata = { 'weir.partitions': String(options.partitions), 'weir.format': formatNumber }
  const found = await streamInfo(jsm, wanted.name)
  if (createdOnce !== undefined) assertKept(wanted.name, createdOnce, found?.created) // invariant 5
  if (found !== undefined) return updateStream(jsm, found, wanted, options.partitions)
  try {
    return await jsm.streams.add({ ...common, ...wanted, metadata, num_replicas: options.replicas ?? 1 })
  } catch (error) {
    // Another process made the stream after we looked, with other replicas or partitions.
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
