// The composition root: reads the environment, starts the servers and the roles of `roles.ts` in the order in which
// they need each other, and stops them from the source to the sinks.
//
//   start: servers, streams and schema, delivery, placing, partitions, gateway, jobs.
//   drain: gateway, jobs, placing, partitions, delivery, servers.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import type { NatsLogin } from '../deploy/embedded/nats-server.js'
import type { Catalog } from '../schemas/catalog/catalog.js'
import { type ClickHouseConfig, openClickHouse } from '../sinks/clickhouse/config.js'
import { within } from './broker/back-off.js'
import type { BulkTransport } from './broker/bulk-transport.js'
import { type BrokerConnection, connectBroker } from './broker/connect-broker.js'
import { publishCatalogs } from './broker/publish-catalogs.js'
import { ensureTopology } from './broker/topology.js'
import type { WeirConfig } from './config/config.js'
import type { DeliveryStatus } from './deliver/delivery-status.js'
import type { EngineStatus } from './engine/engine.js'
import { environment, version } from './environment.js'
import { type Feature, feedsOf } from './feature/feature.js'
import { features } from './features.js'
import { ensureFirstKey } from './gateway/api-keys.js'
import { recordKeyChange } from './gateway/key-audit.js'
import { KeyRing } from './gateway/key-ring.js'
import { stoppedPartitions } from './health/pressure.js'
import { pipelineTelemetry } from './health/telemetry.js'
import { JobBook } from './jobs/job-book.js'
import { JobDesk } from './jobs/job-desk.js'
import { JobRunner } from './jobs/job-runner.js'
import { CommitsUnderWay } from './ledger/commits-under-way.js'
import { RecentCommits } from './ledger/recent-commits.js'
import { boundHeapGrowth } from './memory/heap-growth.js'
import { SharedMemory } from './memory/shared-memory.js'
import {
  delivery,
  gateway,
  jobs,
  openShadows,
  partitions,
  personalRules,
  placing,
  type RoleParts,
} from './roles.js'
import { endOrphanServers, type ServerLogins, type Servers, startServers } from './servers/embedded.js'
import { requireFreePorts } from './servers/free-ports.js'
import { StartAborted, stopIfAborted } from './servers/start-problem.js'
import { ownStateDirectory } from './servers/state-directory.js'
import {
  judgeBroker,
  judgeClickHouse,
  judgeJetStream,
  unlessAborted,
  type Waiting,
  whenThere,
} from './servers/wait-for-servers.js'
import { WorkerPool } from './workers/pool.js'

export interface WeirOptions {
  readonly log: Logger
  /** Gets one line for the person who waits, for example that a nats-server is being fetched. */
  readonly onNotice: (line: string) => void
  /** Called with the first key as soon as it is made, before the start is done: it is shown only once. */
  readonly onFirstKey?: (token: string) => void
  /** Catalogs to publish at the start, when they are new. */
  readonly catalogs?: readonly Catalog[]
  /** Ends a start that is under way: `StartAborted` is thrown, and nothing is left behind. */
  readonly signal?: AbortSignal
}

export interface WeirStatus {
  readonly partitions: readonly EngineStatus[]
  readonly feeds: readonly DeliveryStatus[]
}

/** A running Weir. */
export interface Weir {
  readonly url: string
  /** How our own user connects to the broker and to ClickHouse. */
  readonly nats: NatsLogin
  readonly clickhouse: ClickHouseConfig
  /** Users of the servers that run here, with the files that hold their passwords. */
  readonly logins: ServerLogins
  /** The key made at the first start on an empty store; undefined later, when keys exist. */
  readonly firstKey: string | undefined
  /** Process ids of the embedded servers. */
  pids(): { readonly nats?: number; readonly clickhouse?: number }
  /** Calls back whenever an embedded server runs again under another process id. */
  onServerRestart(callback: () => void): void
  status(): WeirStatus
  /** Resolves when every sink has everything that the ledger holds. */
  delivered(signal: AbortSignal): Promise<void>
  /**
   * Refuses new events, finishes what is in hand, delivers it, and stops. Ends by `config.drainMs` also when a server is
   * away: what is not finished then waits on disk for the next start.
   */
  drain(): Promise<void>
}

/** How many starts are tried when an embedded server is killed during a start. */
const mostStarts = 3
/** How long after a failed part of a start the exit of an embedded server may be noticed. */
const endNoticedMs = 300
const never = new AbortController().signal

/** Throws a `StartProblem`, with nothing changed, if the state directory has an owner or a port is taken. */
export async function startWeir(config: WeirConfig, options: WeirOptions): Promise<Weir> {
  boundHeapGrowth()
  const directory = ownStateDirectory(config.dataDir)
  try {
    await endOrphanServers(config.dataDir)
    await requireFreePorts(config)
    let firstKey: string | undefined // also when the start failed after it was made
    const onFirstKey = (token: string): void => {
      firstKey = token
      options.onFirstKey?.(token)
    }
    const weir = await startSpoilt(config, { ...options, onFirstKey })
    return { ...weir, firstKey, drain: () => weir.drain().finally(() => directory.release()) }
  } catch (error) {
    directory.release()
    throw error
  }
}

/** Starts again when an embedded server is killed during a start. */
async function startSpoilt(config: WeirConfig, options: WeirOptions): Promise<Weir> {
  for (let starts = 1; ; starts += 1) {
    let isSpoilt = false
    const onEnded = (server: string, detail: string): void => {
      isSpoilt = true
      options.log.error({ server, detail }, 'embedded server restarts')
    }
    try {
      return await startOnce(config, options, onEnded, () => isSpoilt)
    } catch (error) {
      if (!isSpoilt || starts === mostStarts || error instanceof StartAborted) throw error
      options.log.warn({ err: error }, 'an embedded server ended during the start, which begins anew')
    }
  }
}

async function startOnce(
  config: WeirConfig,
  options: WeirOptions,
  onEnded: (server: string, detail: string) => void,
  isSpoilt: () => boolean,
): Promise<Weir> {
  const { log, onNotice, signal = never } = options
  const waiting = { signal, onNotice }
  const undo: (() => Promise<unknown>)[] = []
  try {
    // The threads load their code while the servers start.
    const memory = new SharedMemory()
    const pool = new WorkerPool({
      memory,
      workers: config.workers,
      onCrash: (worker, error) => log.error({ worker, err: error }, 'worker died'),
    })
    undo.push(() => pool.abort())
    const servers = await startServers(config, {
      searchPath: environment()['PATH'] ?? '',
      onNotice,
      onEnded,
      onTrouble: (server, detail) => log.error({ server, detail }, 'embedded server in trouble'),
    })
    undo.push(() => servers.stop())
    stopIfAborted(signal)
    const { nc, bulk } = await reachBroker(config, servers.nats, waiting)
    undo.push(() => nc.close())
    await prepareStreams(nc, config, waiting, log)
    const { clickhouse } = servers
    const migrate = async () =>
      (await Promise.all(features.map(one => one.migrate?.(clickhouse) ?? []))).flat()
    const applied =
      config.clickhouse.url === undefined
        ? await migrate()
        : await whenThere(waiting, `ClickHouse at ${clickhouse.url}`, migrate, judgeClickHouse)
    if (applied.length > 0) log.info({ applied }, 'schema migrated')
    const starting = startRoles({ config, options, memory, pool, servers, nc, bulk, undo })
    return await unlessAborted(signal, starting)
  } catch (error) {
    if (undo.length > 1 && !isSpoilt() && !signal.aborted) await sleep(endNoticedMs)
    await undoAll(undo)
    throw error
  }
}

/** Ends what was begun, the last first. Errors are left: the one that led here is the one to tell. */
async function undoAll(undo: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of undo.toReversed()) await step().catch(() => undefined)
}

async function reachBroker(
  config: WeirConfig,
  login: NatsLogin,
  waiting: Waiting,
): Promise<BrokerConnection> {
  const { url, bulk } = config.nats
  // A login that a busy broker did not get in time counts as refused, and the client would give up for good after two of them.
  const reconnecting = {
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 250,
    name: 'weir',
  }
  const work = () => connectBroker({ ...login, ...reconnecting }, bulk)
  return url === undefined ? work() : whenThere(waiting, `NATS at ${url.join(', ')}`, work, judgeBroker)
}

async function prepareStreams(
  nc: NatsConnection,
  config: WeirConfig,
  waiting: Waiting,
  log: Logger,
): Promise<void> {
  const { partitions, nats } = config
  const { replicas } = nats
  const work = () => ensureTopology(nc, { partitions, replicas })
  const streams =
    nats.url === undefined ? await work() : await whenThere(waiting, 'JetStream', work, judgeJetStream)
  const others = Object.values(streams).filter(({ config }) => config.num_replicas !== replicas)
  if (others.length === 0) return
  const found = others.map(({ config }) => `${config.name}: ${config.num_replicas}`).join(', ')
  log.warn({ found, replicas }, 'nats.replicas is for streams that are made now; these have another number')
}

interface Started {
  readonly config: WeirConfig
  readonly options: WeirOptions
  readonly memory: SharedMemory
  readonly pool: WorkerPool
  readonly servers: Servers
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
  readonly undo: (() => Promise<unknown>)[]
}

async function startRoles(started: Started): Promise<Weir> {
  const { config, options, memory, pool, servers, nc, bulk, undo } = started
  const { clickhouse } = servers
  const js = jetstream(nc)
  const jsm = await jetstreamManager(nc)
  const [buckets, queries] = [await openBuckets(js), openClickHouse(clickhouse)]
  undo.push(() => queries.close())
  const registry = new Registry()
  const { log } = options
  const { runner, desk } = openJobs(buckets.jobs, jsm, log)
  const engines: { status(): readonly EngineStatus[] }[] = []
  const partitionStatus = () => engines.flatMap(one => one.status())
  const feeds = feedsOf(features, config)
  const stopped = () => stoppedPartitions(partitionStatus())
  const shared = { config, log, nc, bulk, js, jsm, buckets, clickhouse, queries, registry, feeds }
  const shadows = openShadows(features, { ...shared, sinks: buckets.sinks })
  const deliveries: { status(): readonly DeliveryStatus[] }[] = []
  const feedStatus = () => deliveries.flatMap(one => one.status())
  const personal = personalRules(features, config)
  const early = { ...shared, personal, shadows, jobs: desk, stoppedPartitions: stopped, feedStatus, undo }
  const audit = await broughtBy('auditTrail', 'the audit trail')(early)
  const { keyRing, firstKey } = await openKeys(started, buckets.keys, audit)
  await publishCatalogs(js, options.catalogs ?? [], event => audit.published('process', event))
  const approvals = await broughtBy('approvalGate', 'the approvals')({ ...early, audit })
  const flow = await broughtBy('flowGate', 'the flow gate')(early)
  const gates = await broughtBy('statusGates', 'the gates of customers')(early)
  const parts: RoleParts = {
    ...early,
    audit,
    approvals,
    flow,
    gates,
    openBilling: broughtBy('openBilling', 'what billing has still to do')({ ...early, audit, flow, gates }),
    openExceptions: broughtBy('openExceptions', 'the open exceptions')({ ...early, gates }),
    customerIds: broughtBy('customerIds', 'the ids of customers')(early),
    identities: broughtBy('identities', 'the lookup of identities')(early),
    features,
    telemetry: pipelineTelemetry(registry),
    recent: new RecentCommits(memory),
    underWay: new CommitsUnderWay(),
    memory,
  }
  stopIfAborted(options.signal)
  const delivering = await delivery(parts)
  deliveries.push(delivering)
  const placed = placing(parts)
  const working = await partitions(parts, delivering.awaited, pool, placed)
  engines.push(working)
  const status = (): WeirStatus => ({ partitions: partitionStatus(), feeds: feedStatus() })
  parts.telemetry.observe(status)
  const { troubles } = servers
  stopIfAborted(options.signal)
  const serving = await gateway(parts, { keyRing, version, gauge: working.gauge, placed, status, troubles })
  const jobsAtWork = jobs(parts, runner, serving.jobs)
  return {
    url: serving.url,
    nats: servers.nats,
    logins: servers.logins,
    clickhouse,
    firstKey,
    pids: () => servers.pids(),
    onServerRestart: callback => servers.onRestart(callback),
    status,
    delivered: signal => delivering.delivered(signal),
    drain: () => drainInOrder(started, [serving, jobsAtWork, placed, working, delivering]),
  }
}

/** From the source to the sinks; by the deadline also when a server is away. */
async function drainInOrder(
  { config, options, undo }: Started,
  roles: readonly { drain(): Promise<void> }[],
): Promise<void> {
  const orderly = async (): Promise<void> => {
    for (const role of roles) await role.drain()
  }
  const isDone = await within(config.drainMs, orderly()).catch(error => {
    options.log.warn({ err: error }, 'not everything could be finished')
    return false
  })
  if (!isDone) options.log.warn('what was not finished waits on disk for the next start')
  await undoAll(undo) // what has ended already ends again at once
}

/** What exactly one feature brings. */
function broughtBy<K extends keyof Feature>(key: K, what: string): NonNullable<Feature[K]> {
  const found = features.find(one => one[key] !== undefined)?.[key]
  if (found === undefined) throw new Error(`no feature brings ${what}`)
  return found
}

async function openBuckets(js: JetStreamClient): Promise<RoleParts['buckets']> {
  const kvm = new Kvm(js)
  const open = (name: string): Promise<KV> => kvm.open(`weir_${name}`)
  const [sinks, runs, keys, jobs] = await Promise.all(['sinks', 'runs', 'keys', 'jobs'].map(open))
  const names = ['identities', 'tokens', 'arrivals', 'taxes']
  const [identities, tokens, arrivals, taxes] = await Promise.all(names.map(open))
  const others = { identities: identities!, tokens: tokens!, arrivals: arrivals!, taxes: taxes! }
  return { sinks: sinks!, runs: runs!, keys: keys!, jobs: jobs!, ...others }
}

async function openKeys({ options, undo }: Started, keys: KV, audit: RoleParts['audit']) {
  const firstKey = (await ensureFirstKey(keys, { onChange: recordKeyChange(audit, 'process') }))?.token
  if (firstKey !== undefined) options.onFirstKey?.(firstKey)
  const keyRing = await KeyRing.open(keys, options.log)
  undo.push(async () => keyRing.close())
  return { keyRing, firstKey }
}

function openJobs(kv: KV, jsm: JetStreamManager, log: Logger) {
  const book = new JobBook({ kv, jsm })
  const runner = new JobRunner({ book, log, owner: randomUUID() })
  return { runner, desk: new JobDesk(book, runner) }
}
