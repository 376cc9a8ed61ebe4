// The roles of a Weir: delivery, partitions, gateway, jobs. Each is made from its parameters and drained alone.
// They meet in the broker; in one process, delivery also takes recent commits from memory.
//
// Invariant: a role adds the end of everything that it begins to `undo`, for the case that it does not start.

import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import { FieldRules } from '../schemas/personal-data/field-rules.js'
import type { RefusedRecord, Sink } from '../sinks/sink.js'
import { within } from './broker/back-off.js'
import type { WeirConfig } from './config/config.js'
import { limitsOfConfig } from './config/limits.js'
import { smallRanges } from './deliver/deliver-limits.js'
import { recordedPosition } from './deliver/delivered.js'
import { Deliverer } from './deliver/deliverer.js'
import type { DelivererOptions } from './deliver/deliverer-options.js'
import type { DeliveryStatus } from './deliver/delivery-status.js'
import { feedOf, feedStreams } from './deliver/feed.js'
import { gateOfFeed } from './deliver/flow-gate.js'
import type { EngineStatus } from './engine/engine.js'
import { Engines } from './engine/engines.js'
import type { AwaitedFeed, Feature, FeatureFeed, FeatureParts, RunningWork } from './feature/feature.js'
import { type EventTaker, eventTaker } from './gateway/event-taker.js'
import { createGateway, openIntake } from './gateway/gateway.js'
import type { KeyRing } from './gateway/key-ring.js'
import { PressureGauge, registerPressure } from './health/pressure.js'
import { readinessOf } from './health/readiness.js'
import { registerFlow, registerReadiness } from './health/status-gauges.js'
import type { PipelineTelemetry } from './health/telemetry.js'
import type { JobKind } from './jobs/job-kind.js'
import { jobRoutes } from './jobs/job-routes.js'
import type { JobRunner } from './jobs/job-runner.js'
import type { CommitsUnderWay } from './ledger/commits-under-way.js'
import type { RecentCommits } from './ledger/recent-commits.js'
import type { SharedMemory } from './memory/shared-memory.js'
import { Placer, type PlacingStatus } from './placing/placer.js'
import { type ShadowParts, Shadows } from './shadow/shadows.js'
import type { WorkerPool } from './workers/pool.js'

export interface RoleParts extends FeatureParts {
  readonly features: readonly Feature[]
  readonly feeds: readonly FeatureFeed[]
  readonly telemetry: PipelineTelemetry
  /** The commits of this process, for its own delivery. */
  readonly recent: RecentCommits
  readonly underWay: CommitsUnderWay
  readonly memory: SharedMemory
  /** Functions that end what was begun, in the order of the beginning. */
  readonly undo: (() => Promise<unknown>)[]
}

export interface Delivery {
  /** The feed that the partitions wait for. */
  readonly awaited: AwaitedFeed
  status(): readonly DeliveryStatus[]
  /** Resolves when every sink has its stream's messages, including those that earlier feeds led to. */
  delivered(signal: AbortSignal): Promise<void>
  /** Delivers what the streams hold now, up to a deadline for each feed. */
  drain(): Promise<void>
}

const deliverDrainMs = 10_000
const abortMs = 2_000

/** A deliverer for each feed, with its sink. */
export async function delivery(parts: RoleParts): Promise<Delivery> {
  const opened = await Promise.all(parts.feeds.map(feed => openFeed(parts, feed)))
  const closeSinks = () => Promise.all(opened.map(({ sink }) => sink.close?.()))
  const abort = () => Promise.all(opened.map(({ deliverer }) => deliverer.abort()))
  parts.undo.push(closeSinks, () => within(abortMs, abort())) // a broker that is away answers nothing
  const awaited = opened.find(({ feed }) => feed.isAwaited)?.deliverer
  if (awaited === undefined) throw new Error('no feature brings the feed that the partitions wait for')
  for (const { deliverer } of opened) deliverer.start()
  return {
    awaited,
    status: () => opened.map(({ deliverer }) => deliverer.status()),
    async delivered(signal) {
      for (const stream of feedStreams) {
        const { state } = await parts.jsm.streams.info(stream)
        const ofStream = opened.filter(({ feed }) => feed.stream === stream)
        await Promise.all(
          ofStream.map(({ deliverer }) => deliverer.waitUntilDelivered(state.last_seq, signal)),
        )
      }
    },
    async drain() {
      for (const { deliverer } of opened) await deliverer.drain(deliverDrainMs)
      await closeSinks()
    },
  }
}

interface OpenFeed {
  readonly feed: FeatureFeed
  readonly sink: Sink
  readonly deliverer: Deliverer
}

async function openFeed(parts: RoleParts, feed: FeatureFeed): Promise<OpenFeed> {
  const { js, jsm, buckets, log, telemetry, recent, underWay } = parts
  const { key, stream, filterSubjects } = feed
  const sink = await feed.openSink(parts)
  const options: DelivererOptions = {
    key,
    stream,
    filterSubjects,
    sink,
    js,
    jsm,
    kv: buckets.sinks,
    gate: gateOfFeed(parts.flow, feed),
    authenticates: stream === 'LEDGER',
    ...(feed.isAwaited ? { recent, underWay } : {}),
    limits: { ...(feed.isAwaited ? {} : smallRanges), ...feed.limits },
    onChange: status => logDelivery(log, status),
    onApplied: telemetry.applied,
    onRefused: ({ key, records }) => logRefused(log, key, records),
    onForeign: message => {
      telemetry.foreign(message)
      log.warn(message, 'a message in LEDGER was not written by Weir and is passed over')
    },
  }
  return { feed, sink, deliverer: new Deliverer(options) }
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

export interface Placing {
  status(): PlacingStatus
  /** Places what was read. */
  drain(): Promise<void>
}

/** Brings usage and changes that the broker could not place to their partitions. */
export function placing({ config, nc, js, jsm, log, undo }: RoleParts): Placing {
  const { partitions } = config
  const onTrouble = (trouble: object) => log.warn(trouble, 'a message of UNPLACED is not placed yet')
  const placer = new Placer({ nc, js, jsm, partitions, onTrouble })
  undo.push(() => within(abortMs, placer.close()))
  placer.start()
  return { status: () => placer.status(), drain: () => placer.close() }
}

export interface Partitions {
  readonly gauge: PressureGauge
  status(): readonly EngineStatus[]
  /** Commits what is being processed. */
  drain(): Promise<void>
}

/** An engine for each partition, held back while the awaited feed is far behind. */
export async function partitions(
  parts: RoleParts,
  awaited: AwaitedFeed,
  pool: WorkerPool,
  placed: Placing,
): Promise<Partitions> {
  const { config, nc, bulk, jsm, log, telemetry, recent, underWay, memory, undo } = parts
  const history = parts.features.find(feature => feature.history !== undefined)?.history?.(parts, awaited)
  if (history === undefined) throw new Error('no feature brings the history')
  const gauge = await startGauge(parts, placed)
  const engines = new Engines({
    partitions: config.partitions,
    nc,
    bulk,
    jsm,
    pool,
    limits: partitionLimits(parts.features, config, nc),
    history,
    telemetry,
    recent,
    underWay,
    memory,
    log,
    holdsBack: gauge.holdsBack,
    onFatal: (partition, failure) => log.error({ partition, code: failure.code }, failure.message),
  })
  undo.push(() => engines.abort())
  await engines.start()
  gauge.observe(() => engines.status())
  return {
    gauge,
    status: () => engines.status(),
    async drain() {
      await engines.drain()
      await pool.close()
      gauge.close()
    },
  }
}

type OfShadows = Pick<ShadowParts, 'nc' | 'jsm' | 'bulk' | 'sinks'> &
  Pick<FeatureParts, 'config' | 'queries' | 'feeds'>

export function openShadows(features: readonly Feature[], parts: OfShadows): Shadows {
  const { nc, jsm, bulk, sinks, config, queries, feeds } = parts
  const { partitions } = config
  const limits = partitionLimits(features, config, nc)
  const feed = feedOf(feeds, 'clickhouse')
  return new Shadows({ nc, jsm, bulk, clickhouse: queries, sinks, feed, limits, partitions })
}

/** The limits of the partitions, and of copies of them. */
function partitionLimits(features: readonly Feature[], config: WeirConfig, nc: NatsConnection) {
  return limitsOfConfig(config, maxPayloadOf(nc), protectionOf(features)?.personalFields(config))
}

/** Which fields are personal. */
export function personalRules(features: readonly Feature[], config: WeirConfig): FieldRules {
  return new FieldRules(protectionOf(features)?.personalFields(config) ?? [])
}

function protectionOf(features: readonly Feature[]): Feature['protection'] {
  return features.find(feature => feature.protection !== undefined)?.protection
}

function maxPayloadOf({ info }: NatsConnection): number {
  if (info?.max_payload === undefined) throw new Error('the broker has not said how large a message may be')
  return info.max_payload
}

async function startGauge({ config, jsm, buckets, feeds, log, registry, undo }: RoleParts, placed: Placing) {
  const awaited = feeds.filter(feed => feed.isAwaited)
  const gauge = new PressureGauge({
    jsm,
    limits: config.backpressure,
    ledgerPosition: async () =>
      Math.min(...(await Promise.all(awaited.map(({ key }) => recordedPosition(buckets.sinks, key))))),
    onTrouble: error => log.warn({ err: error }, 'the backlog is not known; the last reading stays in force'),
  })
  undo.push(async () => gauge.close())
  await gauge.start()
  registerPressure(registry, gauge, () => placed.status().bytes)
  return gauge
}

export interface GatewayOptions {
  readonly keyRing: KeyRing
  readonly version: string
  readonly gauge: PressureGauge
  readonly placed: Placing
  readonly status: () => {
    readonly partitions: readonly EngineStatus[]
    readonly feeds: readonly DeliveryStatus[]
  }
  /** The troubles of the embedded servers. */
  readonly troubles: () => readonly { readonly server: string; readonly detail: string }[]
}

export interface RunningGateway {
  readonly url: string
  /** The kinds of jobs that belong to what the features do all the time. */
  readonly jobs: readonly JobKind[]
  /** Refuses new events and answers the requests under way. */
  drain(): Promise<void>
}

/** The HTTP API with the routes of the features, and what they do beside it with the events that they make. */
export async function gateway(parts: RoleParts, options: GatewayOptions): Promise<RunningGateway> {
  const { config, nc, js, log, registry, undo } = parts
  const { keyRing, version, gauge, placed, status, troubles } = options
  const readiness = () =>
    readinessOf({
      ...status(),
      servers: troubles(),
      silence: gauge.silence,
      holdsBack: gauge.holdsBack(),
      placing: placed.status(),
      flow: parts.flow.summary(),
      approvals: parts.approvals.waiting(),
    })
  registerReadiness(registry, readiness)
  const protection = protectionOf(parts.features)?.open(parts)
  registerFlow(registry, () => parts.flow.summary())
  const taking = {
    ...(protection === undefined ? {} : { protection }),
    nc,
    js,
    partitions: config.partitions,
    audit: parts.audit,
    limits: { maxInFlightBytes: config.backpressure.maxInFlightBytes },
    pressure: gauge.pressure,
    stoppedPartitions: parts.stoppedPartitions,
    registry,
  }
  const intake = openIntake(taking)
  const events = eventTaker(intake)
  const routes = await Promise.all(parts.features.map(feature => feature.routes?.(parts, events) ?? []))
  const works = await openWorks(parts, events)
  const made = createGateway({
    ...taking,
    intake,
    host: config.http.host,
    port: config.http.port,
    keys: config.http.auth === 'open' ? 'open' : keyRing,
    log,
    readiness,
    version,
    routes: [...routes.flat(), ...works.flatMap(work => work.routes), ...jobRoutes(parts.jobs, parts.audit)],
  })
  undo.push(() => made.close())
  const { url } = await made.start()
  for (const work of works) work.start()
  return {
    url,
    jobs: works.flatMap(work => work.jobs ?? []),
    async drain() {
      await made.drain()
      await drainAll(works)
      await made.close()
      keyRing.close()
    },
  }
}

/** What the features do all the time; it begins when they are started. */
async function openWorks(parts: RoleParts, events: EventTaker): Promise<readonly RunningWork[]> {
  const works: RunningWork[] = []
  parts.undo.push(() => within(abortMs, drainAll(works)))
  for (const feature of parts.features) {
    const work = await feature.work?.(parts, events)
    if (work !== undefined) works.push(work)
  }
  return works
}

async function drainAll(works: readonly RunningWork[]): Promise<void> {
  await Promise.all(works.map(work => work.drain()))
}

/** Works on the jobs of all features, from where they are. */
export function jobs(
  parts: RoleParts,
  runner: JobRunner,
  others: readonly JobKind[],
): { drain(): Promise<void> } {
  parts.undo.push(() => runner.drain())
  runner.start([...parts.features.flatMap(feature => feature.jobs?.(parts) ?? []), ...others])
  return runner
}
