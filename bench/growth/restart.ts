// Measures how long a restart takes until the partitions run with the given number of identities, as shipped:
// a nats-server on its old store, the claim, the snapshot from the object store, the state in the workers.
//
// The state is made here without sending millions of events: the real core makes customers, subscriptions and
// charges, and identities are put into its table directly. The pipeline's code stores it as a snapshot that a
// checkpoint names. Then the events that the core has seen are sent again: a complete state calls each of
// them a duplicate.

import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { type BrokerConnection, connectBroker } from '../../pipeline/broker/connect-broker.js'
import { ensureTopology, natsSubjects } from '../../pipeline/broker/topology.js'
import { type PipelineLimits, pipelineLimits } from '../../pipeline/config/limits.js'
import { PartitionCore } from '../../pipeline/core/core.js'
import type { InputMessage } from '../../pipeline/core/decode/decode.js'
import { DedupeTable } from '../../pipeline/core/state/dedupe-table.js'
import { daysKept, PartitionState } from '../../pipeline/core/state/partition-state.js'
import { dayOf } from '../../pipeline/core/step/dedupe.js'
import { claimPartition } from '../../pipeline/engine/claim.js'
import { Engines } from '../../pipeline/engine/engines.js'
import { type Manifest, SnapshotStore } from '../../pipeline/engine/snapshot.js'
import { encodeCheckpoint } from '../../pipeline/ledger/checkpoint.js'
import { CommitsUnderWay } from '../../pipeline/ledger/commits-under-way.js'
import { RecentCommits } from '../../pipeline/ledger/recent-commits.js'
import { SharedMemory } from '../../pipeline/memory/shared-memory.js'
import { WorkerPool } from '../../pipeline/workers/pool.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import { type BenchOptions, inFreshDirectory } from '../measure/context.js'
import { type Difference, difference, rounded } from '../measure/report.js'
import { makeSubscriptions, makeTraffic, type TrafficMessage } from '../workload/traffic.js'
import { writeIdentity } from './identities.js'

export interface RestartFigures {
  readonly ids: number
  readonly customers: number
  readonly partitions: number
  readonly state_bytes: number
  readonly identity_bytes: number
  readonly segments: number
  /** All of it. */
  readonly seconds: number
  readonly broker_seconds: number
  readonly restore_seconds: number
  /** CPU time of this process, until the partitions run. */
  readonly cpu_seconds: number
  readonly rss_bytes: number
  /** How long processing pauses while a snapshot is made, in the slower partition. */
  readonly snapshot_pause_ms: number
}

interface Prepared {
  readonly traffic: readonly TrafficMessage[]
  readonly manifests: readonly Manifest[]
}

const partitions = 2
const workers = 1
/** Between two snapshots: 64 MiB of deltas are about so many. */
const idsPerSnapshot = 2_000_000
const eventsEach = 4
const binaryOf = (options: BenchOptions) =>
  options.natsServer === undefined ? {} : { binary: options.natsServer }

const memory = new SharedMemory()

export async function measureRestart(
  ids: number,
  options: BenchOptions,
): Promise<{ readonly figures: RestartFigures; readonly differences: readonly Difference[] }> {
  return inFreshDirectory(async storeDir => {
    const first = await startNatsServer({ storeDir, ...binaryOf(options) })
    const prepared = await prepare(first, ids, options).finally(() => first.stop())
    const startedAt = performance.now()
    const cpuBefore = process.cpuUsage()
    const server = await startNatsServer({ storeDir, ...binaryOf(options) })
    const pool = new WorkerPool({ workers, memory })
    try {
      return await restart(server, pool, prepared, {
        ids,
        startedAt,
        cpuBefore,
        customers: options.customers,
      })
    } finally {
      await pool.abort()
      await server.stop()
    }
  })
}

async function restart(
  server: NatsServer,
  pool: WorkerPool,
  { traffic, manifests }: Prepared,
  run: {
    readonly ids: number
    readonly startedAt: number
    readonly cpuBefore: NodeJS.CpuUsage
    readonly customers: number
  },
) {
  const since = (): number => rounded((performance.now() - run.startedAt) / 1_000, 3)
  const { nc, bulk } = await connectBroker(server.login())
  await ensureTopology(nc, { partitions })
  const brokerSeconds = since()
  const quiet = () => undefined
  const engines = new Engines({
    partitions,
    nc,
    bulk,
    jsm: await jetstreamManager(nc),
    pool,
    limits: limitsOf(nc),
    history: { rowsOf: async () => [] },
    memory,
    recent: new RecentCommits(memory),
    underWay: new CommitsUnderWay(),
    log: { info: quiet, warn: quiet, error: quiet },
    onFatal: (_, failure) => {
      throw failure
    },
    takeOver: true,
  })
  try {
    await engines.start()
    const seconds = since()
    const { user, system } = process.cpuUsage(run.cpuBefore)
    const pausesMs = await pausesOf(pool)
    const events = traffic.reduce((sum, message) => sum + message.events, 0)
    const duplicates = await sendAgain(nc, engines, traffic, events)
    const segments = manifests.flatMap(manifest => manifest.segments)
    const figures: RestartFigures = {
      ids: run.ids,
      customers: run.customers,
      partitions,
      state_bytes: manifests.reduce((sum, manifest) => sum + manifest.state.bytes, 0),
      identity_bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
      segments: segments.length,
      seconds,
      broker_seconds: brokerSeconds,
      restore_seconds: rounded(seconds - brokerSeconds, 3),
      cpu_seconds: rounded((user + system) / 1e6, 2),
      rss_bytes: process.memoryUsage.rss(),
      snapshot_pause_ms: rounded(Math.max(...pausesMs), 1),
    }
    return { figures, differences: difference('duplicates after the restart', events, duplicates) }
  } finally {
    await engines.abort()
    await nc.close()
  }
}

/** Measures each partition twice; the second counts, because a running pipeline has compiled this code. */
async function pausesOf(pool: WorkerPool): Promise<number[]> {
  const pauses: number[] = []
  for (let call = 0; call < partitions * 2; call += 1) {
    const startedAt = performance.now()
    await pool.partition(call % partitions).snapshot()
    if (call >= partitions) pauses.push(performance.now() - startedAt)
  }
  return pauses
}

async function sendAgain(
  nc: NatsConnection,
  engines: Engines,
  traffic: readonly TrafficMessage[],
  events: number,
): Promise<number> {
  const counted = (name: 'received' | 'duplicate') =>
    engines.status().reduce((sum, { counters }) => sum + (counters?.[name] ?? 0), 0)
  const before = { received: counted('received'), duplicate: counted('duplicate') }
  const js = jetstream(nc)
  for (const { partition, bytes } of traffic) await js.publish(natsSubjects.gatewayMetering(partition), bytes)
  while (counted('received') < before.received + events) {
    if (engines.status().some(({ state }) => state === 'failed')) break
    await sleep(20)
  }
  return counted('duplicate') - before.duplicate
}

function limitsOf(nc: NatsConnection): PipelineLimits {
  return pipelineLimits({ partitions, maxPayload: nc.info!.max_payload })
}

async function prepare(server: NatsServer, ids: number, options: BenchOptions): Promise<Prepared> {
  const broker = await connectBroker(server.login())
  const { nc } = broker
  try {
    await ensureTopology(nc, { partitions })
    const nowMs = Date.now()
    const { seed, customers } = options
    const shape = { seed, customers, partitions, nowMs, events: customers * eventsEach }
    const { messages } = makeTraffic(shape)
    const { catalog, messages: subscriptions } = makeSubscriptions(shape)
    const manifests: Manifest[] = []
    for (let partition = 0; partition < partitions; partition += 1) {
      const of = (all: readonly TrafficMessage[]) => inputOf(all, partition, nowMs)
      const inputs = {
        catalog: [inputMessage(catalog, nowMs)],
        lifecycle: of(subscriptions),
        metering: of(messages),
      }
      manifests.push(await storeState(broker, partition, Math.ceil(ids / partitions), inputs, nowMs))
    }
    return { traffic: messages, manifests }
  } finally {
    await nc.close()
  }
}

interface Inputs {
  readonly catalog: readonly InputMessage[]
  readonly lifecycle: readonly InputMessage[]
  readonly metering: readonly InputMessage[]
}

/** Makes the state, stores it as snapshots are, and has a checkpoint name it. */
async function storeState(
  { nc, bulk }: BrokerConnection,
  partition: number,
  ids: number,
  inputs: Inputs,
  nowMs: number,
): Promise<Manifest> {
  const limits = limitsOf(nc)
  const dedupe = new DedupeTable(daysKept(limits.core.dedupeHorizonMs), { segments: true })
  const state = new PartitionState(limits.core.dedupeHorizonMs, dedupe)
  const core = new PartitionCore({ partition, partitions, limits: limits.core }, undefined, state)
  core.process({ nowMs, commit: 1, ...inputs, orders: [], history: [] })
  const store = await SnapshotStore.open(nc, bulk, partition, limits.engine.snapshotChunkBytes)
  let stored: { readonly object: string; readonly manifest: Manifest } | undefined
  const identity = new Uint32Array(4)
  for (let n = 0; n < ids || stored === undefined; ) {
    for (const until = Math.min(ids, n + idsPerSnapshot); n < until; n += 1) {
      writeIdentity(n * partitions + partition, identity)
      dedupe.see(identity, identity, dayOf(nowMs))
    }
    state.takeDelta()
    stored = await store.put(1, n, state.takeSnapshot(), stored?.manifest)
  }
  const jsm = await jetstreamManager(nc)
  const link = {
    nc,
    bulk,
    jsm,
    recent: new RecentCommits(memory),
    limits: limits.engine,
    signal: new AbortController().signal,
    onRetry: () => undefined,
  }
  const claim = await claimPartition(link, partition, 'bench')
  const snapshot = { object: stored.object, commit: claim.checkpoint.commit, ledger_seq: claim.seq }
  const epoch = claim.checkpoint.epoch + 1
  const next = { ...claim.checkpoint, epoch, follows: claim.seq, snapshot, counters: core.counters() }
  const checkpoint = encodeCheckpoint(next, claim.key)
  await jetstream(nc).publish(natsSubjects.ledger(partition, 'state'), checkpoint)
  return stored.manifest
}

function inputOf(messages: readonly TrafficMessage[], partition: number, nowMs: number): InputMessage[] {
  return messages.filter(one => one.partition === partition).map(({ bytes }) => inputMessage(bytes, nowMs))
}

function inputMessage(bytes: Uint8Array, nowMs: number): InputMessage {
  return { seq: 1, arrivedAtMs: nowMs, bytes, contentType: ndjsonType }
}
