// For tests: a partition's engine on a real nats-server, with a core so simple that the expected output can
// be counted by hand. An event is a line `{"id", "value"}`; each id is rated once, and its value is its
// amount.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type NatsLogin, type NatsServer, startNatsServer } from '../../deploy/embedded/nats-server.js'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import { type BrokerConnection, connectBroker } from '../broker/connect-broker.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import { ensureTopology, natsSubjects } from '../broker/topology.js'
import { type LimitOverrides, pipelineLimits } from '../config/limits.js'
import type { EngineOptions, EngineState } from '../engine/engine.js'
import { InputReader } from '../engine/input-reader.js'
import { PartitionEngine } from '../engine/partition-engine.js'
import { Wake } from '../engine/wake.js'
import { CommitsUnderWay } from '../ledger/commits-under-way.js'
import type { PartitionFailure } from '../ledger/failures.js'
import { RecentCommits } from '../ledger/recent-commits.js'
import { SharedMemory } from '../memory/shared-memory.js'
import {
  type Opened,
  type OpenTask,
  type PackedInput,
  type PartitionWorker,
  type Processed,
  type StateSnapshot,
  unpackMessages,
} from '../workers/protocol.js'

export interface TestEvent {
  readonly id: string
  readonly value: number
}

interface PlainState {
  seen: string[]
  counters: ReturnType<typeof zeroDispositions>
  runs: string[]
}

/** What the core does besides counting, for tests that need it. */
export interface PlainCoreOptions {
  /** Bytes added to each commit's rows, to make it large. */
  readonly ballast?: number
  readonly beforeProcess?: (commit: number) => void | Promise<void>
  readonly patch?: (processed: Processed, input: PackedInput) => Processed
}

/** Counts and sums events; dedupes by id. Its state is JSON. */
export class PlainWorker implements PartitionWorker {
  readonly #options: PlainCoreOptions
  #seen: Set<string> | undefined
  #counters = zeroDispositions()
  #runs: string[] = []

  constructor(options: PlainCoreOptions = {}) {
    this.#options = options
  }

  async load(): Promise<void> {
    throw new Error('its snapshots have no segments')
  }

  async open({ snapshot, deltas }: OpenTask): Promise<Opened> {
    this.#seen = new Set()
    this.#counters = zeroDispositions()
    this.#runs = []
    for (const bytes of [...(snapshot === undefined ? [] : [snapshot]), ...deltas]) {
      const state = JSON.parse(Buffer.from(bytes).toString('utf8')) as PlainState
      for (const id of state.seen) this.#seen.add(id)
      this.#counters = state.counters
      this.#runs.push(...state.runs)
    }
    return { historyRequests: [], handovers: [], holdsCustomers: false }
  }

  async process(input: PackedInput): Promise<Processed> {
    await this.#options.beforeProcess?.(input.commit)
    if (this.#seen === undefined) throw new Error('not open')
    const rows: TestEvent[] = []
    const before = this.#counters.received
    const messages = [input.catalog, input.lifecycle, input.metering].flatMap(unpackMessages)
    for (const { bytes } of messages) {
      for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
        if (line === '') continue
        const event = JSON.parse(line) as TestEvent
        this.#counters.received += 1
        if (this.#seen.has(event.id)) {
          this.#counters.duplicate += 1
        } else {
          this.#seen.add(event.id)
          this.#counters.rated += 1
          rows.push(event)
        }
      }
    }
    const runs = input.orders.map(order => order.billingRunId)
    this.#runs.push(...runs)
    const text = JSON.stringify({ rows, ballast: 'x'.repeat(this.#options.ballast ?? 0) })
    const output = (table: string, body: string) => ({ table, bytes: Buffer.from(body), rows: 1 })
    const processed: Processed = {
      delta: Buffer.from(JSON.stringify({ seen: rows.map(row => row.id), counters: this.#counters, runs })),
      outputs: [
        output('event_dispositions', JSON.stringify(this.#counters)),
        output('rated_usage', text),
        ...runs.map(run => output('sealed', run)),
      ],
      historyRequests: [],
      handovers: [],
      heldBytes: 0,
      counters: { ...this.#counters },
      changed: this.#counters.received > before || runs.length > 0,
      sealedRuns: runs,
      goesOn: false,
      holdsCustomers: false,
      figures: {},
    }
    return this.#options.patch?.(processed, input) ?? processed
  }

  async snapshot(): Promise<StateSnapshot> {
    const state = { seen: [...(this.#seen ?? [])], counters: this.#counters, runs: this.#runs }
    const dedupe = { pieces: [], newestDay: 0, forever: false, keptFromDay: 0 }
    return { state: [Buffer.from(JSON.stringify(state))], dedupe }
  }

  async close(): Promise<void> {
    this.#seen = undefined
  }
}

export interface Broker extends Pick<BrokerConnection, 'nc' | 'bulk'> {
  server: NatsServer
  readonly storeDir: string
  readonly jsm: JetStreamManager
  stop(): Promise<void>
}

export async function startBroker(partitions: number): Promise<Broker> {
  const storeDir = await mkdtemp(join(tmpdir(), 'weir-engine-'))
  const server = await startNatsServer({ storeDir })
  const { nc, bulk } = await connectTo(server.login())
  await ensureTopology(nc, { partitions })
  const broker: Broker = {
    server,
    storeDir,
    nc,
    bulk,
    jsm: await jetstreamManager(nc),
    async stop() {
      await nc.close()
      await broker.server.stop()
      await rm(storeDir, { recursive: true, force: true })
    },
  }
  return broker
}

export function connectTo(login: NatsLogin): Promise<BrokerConnection> {
  const options = { ...login, maxReconnectAttempts: -1, reconnectTimeWait: 50, waitOnFirstConnect: true }
  return connectBroker(options)
}

export interface EngineUnderTest {
  readonly engine: PartitionEngine
  readonly states: EngineState[]
  readonly failures: PartitionFailure[]
  readonly interruptions: string[]
  /** Duration of each commit, in seconds. */
  readonly commits: number[]
}

export async function makeEngine(
  { nc, bulk }: Pick<BrokerConnection, 'nc' | 'bulk'>,
  partition: number,
  overrides: LimitOverrides & Partial<EngineOptions> & { readonly worker?: PartitionWorker } = {},
): Promise<EngineUnderTest> {
  const { engine: engineLimits, core, ...options } = overrides
  const around = { partitions: 4, maxPayload: nc.info!.max_payload }
  const fast = { lingerMs: 20, standbyMs: 300, ownerProbeMs: 300, commitTimeoutMs: 2_000, retryMaxMs: 400 }
  const limits = pipelineLimits(around, {
    engine: { ...fast, ...engineLimits },
    ...(core === undefined ? {} : { core }),
  })
  const states: EngineState[] = []
  const failures: PartitionFailure[] = []
  const interruptions: string[] = []
  const commits: number[] = []
  const quiet = () => undefined
  const memory = new SharedMemory()
  const engine = new PartitionEngine({
    partition,
    partitions: 4,
    nc,
    bulk,
    jsm: await jetstreamManager(nc, { timeout: 2_000 }),
    worker: new PlainWorker(),
    limits,
    history: { rowsOf: async () => [] },
    memory,
    recent: new RecentCommits(memory),
    underWay: new CommitsUnderWay(),
    log: { info: quiet, warn: quiet, error: quiet },
    telemetry: {
      committed: facts => commits.push(facts.seconds),
      interrupted: (_, detail) => interruptions.push(detail),
      stateChanged: (_, state) => states.push(state),
    },
    onFatal: failure => failures.push(failure),
    ...options,
  })
  return { engine, states, failures, interruptions, commits }
}

/** Publishes until the broker acknowledges, retrying as the gateway does. */
export async function publish(
  nc: NatsConnection,
  natsSubject: string,
  events: readonly TestEvent[],
): Promise<void> {
  const bytes = Buffer.from(events.map(event => JSON.stringify(event)).join('\n'))
  for (;;) {
    try {
      const answer = await nc.request(natsSubject, bytes, { timeout: 1_000 })
      if ((answer.json() as { seq?: number }).seq !== undefined) return
    } catch {
      await sleep(50)
    }
  }
}

/** Everything in LEDGER of one partition and kind, in order. */
export async function readLedger(
  { nc, bulk, jsm }: Pick<Broker, 'nc' | 'bulk' | 'jsm'>,
  partition: number,
  what: string,
): Promise<readonly ReadMessage[]> {
  const filterSubject = natsSubjects.ledger(partition, what)
  const last = (await jsm.streams.getMessage('LEDGER', { last_by_subj: filterSubject }))?.seq ?? 0
  const { created, state } = await jsm.streams.info('LEDGER')
  const wake = new Wake()
  const messages: ReadMessage[] = []
  const reader = new InputReader({
    bulk,
    jsm,
    stream: 'LEDGER',
    filterSubjects: [filterSubject],
    created,
    fromSeq: Math.max(1, state.first_seq),
    limits: pipelineLimits({ partitions: 1, maxPayload: nc.info!.max_payload }).engine,
    onMessage: () => wake.ring(),
    onFailure: failure => {
      throw failure
    },
    onInterruption: () => undefined,
  })
  while ((messages.at(-1)?.seq ?? 0) < last) {
    await wake.wait(1_000)
    messages.push(...reader.take(Number.POSITIVE_INFINITY))
  }
  reader.stop()
  return messages
}

export interface RatedTotals {
  readonly rows: number
  readonly sum: number
  /** How often each id was rated. */
  readonly byId: ReadonlyMap<string, number>
}

export async function ratedTotals(
  broker: Pick<Broker, 'nc' | 'bulk' | 'jsm'>,
  partition: number,
): Promise<RatedTotals> {
  const byId = new Map<string, number>()
  let rows = 0
  let sum = 0
  for (const message of await readLedger(broker, partition, 'rated_usage')) {
    const body = JSON.parse(Buffer.from(message.bytes).toString('utf8')) as { rows: TestEvent[] }
    for (const { id, value } of body.rows) {
      byId.set(id, (byId.get(id) ?? 0) + 1)
      rows += 1
      sum += value
    }
  }
  return { rows, sum, byId }
}

/** Waits until the condition holds; only the test's own time-out bounds the wait. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}

/** Resolves when the client reports this status next. */
export async function firstStatus(nc: NatsConnection, wanted: string): Promise<void> {
  for await (const { type } of nc.status()) if (type === wanted) return
}
