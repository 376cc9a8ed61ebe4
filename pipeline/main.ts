// The composition root: every part of Weir is made here, in the order in which the parts need each other, and stopped
// from the source to the sinks. The only file that reads the environment.
//
//   start: servers, streams and schema, deliverers, partitions, gateway.  drain: the same from the end.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { type KV, Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { Registry } from 'prom-client'
import type { NatsLogin } from '../deploy/embedded/nats-server.js'
import type { Catalog } from '../schemas/catalog/catalog.js'
import { packageRoot } from '../schemas/package-root.js'
import { type ClickHouseConfig, openClickHouse } from '../sinks/clickhouse/config.js'
import { migrate } from '../sinks/clickhouse/migrate.js'
import type { RefusedRecord } from '../sinks/sink.js'
import { BillingRuns } from './billing/billing-runs.js'
import { billingRunRoutes } from './billing/routes.js'
import { failingWhenLost } from './broker/connection-watch.js'
import { publishCatalogs } from './broker/publish-catalogs.js'
import { ensureTopology } from './broker/topology.js'
import type { WeirConfig } from './config/config.js'
import { limitsOfConfig } from './config/limits.js'
import { recordedPosition } from './deliver/delivered.js'
import type { DeliveryStatus } from './deliver/delivery-status.js'
import { feeds } from './deliver/feeds.js'
import { createDelivery, type Delivery } from './delivery.js'
import type { EngineStatus } from './engine/engine.js'
import { Engines, type EnginesOptions } from './engine/engines.js'
import { ensureFirstKey } from './gateway/api-keys.js'
import { createGateway, type Gateway } from './gateway/gateway.js'
import { KeyRing } from './gateway/key-ring.js'
import { keyRoutes } from './gateway/key-routes.js'
import { PressureGauge, registerPressure, stoppedPartitions } from './health/pressure.js'
import { readinessOf } from './health/readiness.js'
import { type PipelineTelemetry, pipelineTelemetry } from './health/telemetry.js'
import { ClickHouseHistory } from './history/clickhouse-history.js'
import { reconcile } from './reconcile/reconcile.js'
import { reconciliationRoute } from './reconcile/routes.js'
import { endOrphanServers, type ServerLogins, type Servers, startServers } from './servers/embedded.js'
import { requireFreePorts } from './servers/free-ports.js'
import { ownStateDirectory } from './servers/state-directory.js'
import { WorkerPool } from './workers/pool.js'

export interface WeirOptions {
  readonly log: Logger
  /** One line for the person who waits, such as that a nats-server is being fetched. */
  readonly onNotice: (line: string) => void
  /** Called with the first key as soon as it is made, long before the start is through: it cannot be had again. */
  readonly onFirstKey?: (token: string) => void
  /** Published at the start, when they are new. */
  readonly catalogs?: readonly Catalog[]
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
  /** Refuses new events, finishes what is in hand, delivers it, and stops. */
  drain(): Promise<void>
}

export const version: string = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8')).version

/** `WEIR_*`, PATH and what the terminal wants, for whoever is asked by a command. */
export function environment(): NodeJS.ProcessEnv {
  return process.env
}

/** How often a start may be spoilt by an embedded server that somebody kills under it. */
const mostStarts = 3
/** By when the end of a server is known to us, after it has made a step of the start fail. */
const endNoticedMs = 300

/** Throws a `StartProblem` when the state directory has an owner, or a port is taken: nothing has been touched then. */
export async function startWeir(config: WeirConfig, options: WeirOptions): Promise<Weir> {
  const directory = ownStateDirectory(config.dataDir)
  try {
    await endOrphanServers(config.dataDir)
    await requireFreePorts(config)
    let firstKey: string | undefined // also of a start that was spoilt after it was made
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

/** Begins anew when an embedded server is killed under a start. */
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
      if (!isSpoilt || starts === mostStarts) throw error
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
  const { log, onNotice } = options
  const undo: (() => Promise<unknown>)[] = []
  try {
    // The threads load their code while the servers start.
    const pool = new WorkerPool({
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
    const client = await connect({
      ...servers.nats,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      name: 'weir',
    })
    const nc = failingWhenLost(client)
    undo.push(() => nc.close())
    await ensureTopology(nc, { partitions: config.partitions, replicas: config.nats.replicas })
    const { clickhouse } = servers
    const applied = await migrate(clickhouse)
    if (applied.length > 0) log.info({ applied }, 'schema migrated')
    return await compose({ config, options, pool, servers, nc, clickhouse, undo })
  } catch (error) {
    if (undo.length > 1 && !isSpoilt()) await sleep(endNoticedMs)
    for (const step of undo.reverse()) await step().catch(() => undefined) // the first error is the one to tell
    throw error
  }
}

interface Ground {
  readonly config: WeirConfig
  readonly options: WeirOptions
  readonly pool: WorkerPool
  readonly servers: Servers
  readonly nc: NatsConnection
  readonly clickhouse: ClickHouseConfig
  readonly undo: (() => Promise<unknown>)[]
}

async function compose(ground: Ground): Promise<Weir> {
  const { config, options, pool, servers, nc, clickhouse, undo } = ground
  const broker = await openBroker(ground)
  await publishCatalogs(broker.js, options.catalogs ?? [])
  const registry = new Registry()
  const telemetry = pipelineTelemetry(registry)
  const delivery = startDelivery(ground, broker, telemetry)
  const queryClient = openClickHouse(clickhouse)
  undo.push(() => queryClient.close())
  const history = new ClickHouseHistory({ clickhouse: queryClient, delivery: delivery.ledger })
  const gauge = await startGauge(ground, broker, registry)
  const engines = await startEngines(ground, {
    jsm: broker.jsm,
    history,
    telemetry,
    holdsBack: gauge.holdsBack,
  })
  gauge.observe(() => engines.status())
  broker.billingRuns.observe(() => stoppedPartitions(engines.status()))
  const status = (): WeirStatus => ({
    partitions: engines.status(),
    feeds: delivery.all.map(feed => feed.status()),
  })
  telemetry.observe(status)
  const { js, jsm, sinks, runs, keyRing } = broker
  const gateway = createGateway({
    host: config.http.host,
    port: config.http.port,
    nc,
    js,
    partitions: config.partitions,
    keys: config.http.auth === 'open' ? 'open' : keyRing,
    limits: { maxInFlightBytes: config.backpressure.maxInFlightBytes },
    log: options.log,
    pressure: gauge.pressure,
    stoppedPartitions: () => stoppedPartitions(engines.status()),
    readiness: () => readinessOf({ ...status(), servers: servers.troubles(), holdsBack: gauge.holdsBack() }),
    version,
    registry,
    routes: [
      ...keyRoutes(broker.keys),
      ...billingRunRoutes(broker.billingRuns),
      reconciliationRoute(() =>
        reconcile({
          clickhouse: queryClient,
          nc,
          js,
          jsm,
          sinks,
          runs,
          stopped: () => stoppedPartitions(engines.status()),
        }),
      ),
    ],
  })
  undo.push(() => gateway.close())
  const { url } = await gateway.start()
  return {
    url,
    nats: servers.nats,
    logins: servers.logins,
    clickhouse,
    firstKey: broker.firstKey,
    pids: () => servers.pids(),
    onServerRestart: callback => servers.onRestart(callback),
    status,
    delivered: signal => delivery.delivered(signal),
    drain: () => drain({ gauge, gateway, engines, pool, delivery, queryClient, keyRing, nc, servers }),
  }
}

/** JetStream, the buckets, and what lives in them. */
interface Broker {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly sinks: KV
  readonly runs: KV
  readonly keys: KV
  readonly firstKey: string | undefined
  readonly keyRing: KeyRing
  readonly billingRuns: BillingRuns
}

async function openBroker({ config, options, nc, undo }: Ground): Promise<Broker> {
  const js = jetstream(nc)
  const jsm = await jetstreamManager(nc)
  const kvm = new Kvm(nc)
  const [sinks, runs, keys] = await Promise.all([
    kvm.open('weir_sinks'),
    kvm.open('weir_runs'),
    kvm.open('weir_keys'),
  ])
  const firstKey = await ensureFirstKey(keys)
  if (firstKey !== undefined) options.onFirstKey?.(firstKey.token)
  const keyRing = await KeyRing.open(keys, options.log)
  undo.push(async () => keyRing.close())
  const billingRuns = new BillingRuns({ js, jsm, runs, partitions: config.partitions, nowMs: Date.now })
  await billingRuns.resume()
  return { js, jsm, sinks, runs, keys, firstKey: firstKey?.token, keyRing, billingRuns }
}

function startDelivery(
  { config, options, clickhouse, nc, undo }: Ground,
  broker: Broker,
  { applied: onApplied, foreign }: PipelineTelemetry,
): Delivery {
  const { js, jsm, sinks, runs, billingRuns } = broker
  const onChange = (status: DeliveryStatus): void => logDelivery(options.log, status)
  const delivery = createDelivery({
    config,
    clickhouse,
    nc,
    js,
    jsm,
    sinks,
    runs,
    billingRuns,
    onChange,
    onApplied,
    onRefused: ({ key, records }) => logRefused(options.log, key, records),
    onForeign: message => {
      foreign(message)
      options.log.warn(message, 'a message in LEDGER was not written by Weir and is passed over')
    },
  })
  undo.push(() => delivery.close())
  for (const feed of delivery.all) feed.start()
  undo.push(() => Promise.all(delivery.all.map(feed => feed.abort())))
  return delivery
}

async function startGauge({ config, options, undo }: Ground, broker: Broker, registry: Registry) {
  const gauge = new PressureGauge({
    jsm: broker.jsm,
    limits: config.backpressure,
    ledgerPosition: () => recordedPosition(broker.sinks, feeds.clickhouse.key),
    onTrouble: error => options.log.warn({ error }, 'the backlog is not known'),
  })
  undo.push(async () => gauge.close())
  await gauge.start()
  registerPressure(registry, gauge)
  return gauge
}

async function startEngines(
  { config, options, pool, nc, undo }: Ground,
  parts: Pick<EnginesOptions, 'jsm' | 'history' | 'telemetry' | 'holdsBack'>,
): Promise<Engines> {
  const { log } = options
  const maxPayload = nc.info?.max_payload
  if (maxPayload === undefined) throw new Error('the broker has not said how large a message may be')
  const engines = new Engines({
    ...parts,
    partitions: config.partitions,
    nc,
    pool,
    limits: limitsOfConfig(config, maxPayload),
    log,
    onFatal: (partition, failure) => log.error({ partition, code: failure.code }, failure.message),
  })
  undo.push(() => engines.abort())
  await engines.start()
  return engines
}

interface Parts {
  readonly gauge: PressureGauge
  readonly gateway: Gateway
  readonly engines: Engines
  readonly pool: WorkerPool
  readonly delivery: Delivery
  readonly queryClient: { close(): Promise<void> }
  readonly keyRing: KeyRing
  readonly nc: NatsConnection
  readonly servers: Servers
}

const deliverDrainMs = 10_000

/** From the source to the sinks. What is not processed or delivered by the deadlines waits on disk for the next start. */
async function drain(parts: Parts): Promise<void> {
  const { gauge, gateway, engines, pool, delivery, queryClient, keyRing, nc, servers } = parts
  await gateway.drain()
  await gateway.close()
  await engines.drain()
  await pool.close()
  for (const feed of delivery.all) await feed.drain(deliverDrainMs)
  await delivery.close()
  await queryClient.close()
  gauge.close()
  keyRing.close()
  await nc.close()
  await servers.stop()
}

function logRefused(log: Logger, feed: string, records: readonly RefusedRecord[]): void {
  for (const { name, table, sequence, code, detail, content } of records)
    log.error({ feed, name, table, sequence, code, detail, content }, 'record set aside')
}

function logDelivery(log: Logger, status: DeliveryStatus): void {
  const facts = { feed: status.key, state: status.state, position: status.position, trouble: status.trouble }
  if (status.state === 'blocked' || status.state === 'failed') log.error(facts, 'sink needs help')
  else if (status.trouble !== undefined) log.warn(facts, 'sink in trouble')
  else log.debug(facts, 'sink')
}
