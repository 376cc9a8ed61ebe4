// Back-pressure: the one place that decides, from how far each stage is behind, whether the stage before it may go on.
//
//   gateway ──▶ METERING ──▶ partitions ──▶ LEDGER ──▶ ClickHouse
//      ▲ 429, 503  │ maxPendingBytes  ▲ stop    │ maxLedgerBytes
//      └───────────┘                  └─────────┘
//
// A sink that is slow or down lets LEDGER grow on disk. At `maxLedgerBytes` the partitions stop taking usage, so METERING
// grows; at `maxPendingBytes` the gateway tells producers to slow down. Each starts again at four fifths of its limit.
// Invariants:
// 1. Producers are slowed before anything grows without bound; nothing that was accepted is dropped.
// 2. Memory does not depend on the backlog: it lies in the streams, and every reader has its own budget.
// 3. A backlog is measured at the broker, from positions that are recorded there, so it is the same in every process. A
//    reading that fails leaves the last one in force.

import { JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream'
import { Gauge, type Registry } from 'prom-client'
import { Backlog } from '../broker/backlog.js'
import type { EngineStatus } from '../engine/engine.js'
import type { Pressure } from '../gateway/events.js'

export interface PressureLimits {
  /** Messages of one partition that wait to be processed. */
  readonly maxPendingMessages: number
  /** Bytes of METERING that wait to be processed. */
  readonly maxPendingBytes: number
  /** Bytes of LEDGER that wait to be in ClickHouse. */
  readonly maxLedgerBytes: number
}

export interface PressureOptions {
  readonly jsm: Pick<JetStreamManager, 'streams'>
  readonly limits: PressureLimits
  /** The sequence of LEDGER up to which ClickHouse has everything. */
  readonly ledgerPosition: () => Promise<number>
  readonly onTrouble: (error: unknown) => void
  /** Default 1 s: about how long a limit may be exceeded unnoticed. */
  readonly everyMs?: number
}

export interface JetStreamSilence {
  readonly sinceMs: number
  readonly detail: string
}

export interface PressureReading {
  readonly pendingBytes: number
  readonly ledgerBytes: number
  /** The partitions read no usage. */
  readonly holdsBack: boolean
  /** The gateway accepts no usage. */
  readonly slowsProducers: boolean
}

/** A reached limit stays in force until the backlog has fallen to this fraction of it. */
const releaseAt = 0.8
const retryAfterSeconds = { slow: 2, held: 10, stopped: 30 }

export class PressureGauge {
  readonly #options: PressureOptions
  readonly #metering = new Backlog()
  readonly #ledger = new Backlog()
  #reading: PressureReading = { pendingBytes: 0, ledgerBytes: 0, holdsBack: false, slowsProducers: false }
  #partitions: () => readonly EngineStatus[] = () => []
  #timer: NodeJS.Timeout | undefined
  #busy = false
  #answeredAtMs = Date.now()
  #silence = ''

  constructor(options: PressureOptions) {
    this.#options = options
  }

  /** Takes the first reading and goes on reading. */
  async start(): Promise<void> {
    await this.#read()
    this.#timer = setInterval(() => void this.#read(), this.#options.everyMs ?? 1_000)
  }

  /** Sets the function from which the partitions' lag is read. */
  observe(partitions: () => readonly EngineStatus[]): void {
    this.#partitions = partitions
  }

  close(): void {
    clearInterval(this.#timer)
  }

  get reading(): PressureReading {
    return this.#reading
  }

  /** Since when JetStream has not answered, or has lost its quorum, and what it said; undefined while it answers. */
  get silence(): JetStreamSilence | undefined {
    return this.#silence === '' ? undefined : { sinceMs: this.#answeredAtMs, detail: this.#silence }
  }

  /** Whether partitions must stop reading usage. */
  readonly holdsBack = (): boolean => this.#reading.holdsBack

  /** What the gateway tells producers. */
  readonly pressure = (): Pressure => pressureOf(this.#partitions(), this.#reading)

  /** True when the trouble is another than before. */
  #heard(trouble = ''): boolean {
    const isNew = trouble !== this.#silence
    this.#silence = trouble
    if (trouble === '') this.#answeredAtMs = Date.now()
    return isNew && trouble !== ''
  }

  async #read(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    try {
      const { jsm, ledgerPosition, limits } = this.#options
      const position = await ledgerPosition() // first: what is stored meanwhile counts as behind
      const [metering, ledger] = await Promise.all([jsm.streams.info('METERING'), jsm.streams.info('LEDGER')])
      this.#heard([metering, ledger].map(withoutQuorum).find(detail => detail !== ''))
      this.#metering.read(extentOf(metering.state))
      this.#ledger.read(extentOf(ledger.state))
      // The gateway refuses events of a stopped partition; its backlog must not hold up the others.
      const working = this.#partitions().filter(({ state }) => state !== 'failed')
      const pending = working.map(({ lag }) => lag.metering)
      const messages = pending.reduce((sum, one) => sum + one, 0)
      const pendingBytes = this.#metering.bytesBehind(this.#metering.lastSeq - messages)
      const ledgerBytes = this.#ledger.bytesBehind(position)
      const before = this.#reading
      const isOver = (value: number, limit: number, was: boolean) => value >= limit * (was ? releaseAt : 1)
      this.#reading = {
        pendingBytes,
        ledgerBytes,
        holdsBack: isOver(ledgerBytes, limits.maxLedgerBytes, before.holdsBack),
        slowsProducers:
          isOver(pendingBytes, limits.maxPendingBytes, before.slowsProducers) ||
          isOver(Math.max(0, ...pending), limits.maxPendingMessages, before.slowsProducers),
      }
    } catch (error) {
      const { onTrouble } = this.#options
      const isAnswer = error instanceof JetStreamApiError && error.status < 500
      const isNew = this.#heard(isAnswer ? undefined : wordsOf(error))
      if (isNew || isAnswer) onTrouble(error) // invariant 3
    } finally {
      this.#busy = false
    }
  }
}

/** Why the stream can store nothing: fewer than half of its servers are heard of. Empty while it can. */
export function withoutQuorum({ config, cluster }: Pick<StreamInfo, 'config' | 'cluster'>): string {
  const replicas = cluster?.replicas ?? []
  const all = replicas.length + 1
  const heard =
    all - replicas.filter(({ offline, active }) => offline === true || active > longestQuietNs).length
  if (cluster === undefined || all === 1 || heard * 2 > all) return ''
  return `${config.name} has no quorum: ${heard} of its ${all} servers are there`
}

/** Servers of a stream hear of each other every second. */
const longestQuietNs = 5e9

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'TimeoutError' ? 'the broker did not answer in time' : error.message
}

/** Metrics, read when somebody asks. */
export function registerPressure(
  registry: Registry,
  gauge: PressureGauge,
  unplacedBytes: () => number,
): void {
  new Gauge({
    name: 'weir_backlog_bytes',
    help: 'Bytes that wait: in UNPLACED to be placed, in METERING to be processed, in LEDGER to be in ClickHouse',
    labelNames: ['stream'],
    registers: [registry],
    collect() {
      this.set({ stream: 'UNPLACED' }, unplacedBytes())
      this.set({ stream: 'METERING' }, gauge.reading.pendingBytes)
      this.set({ stream: 'LEDGER' }, gauge.reading.ledgerBytes)
    },
  })
  new Gauge({
    name: 'weir_back_pressure',
    help: '1 while a stage is held back because the one after it is behind',
    labelNames: ['stage'],
    registers: [registry],
    collect() {
      this.set({ stage: 'processing' }, gauge.reading.holdsBack ? 1 : 0)
      this.set({ stage: 'gateway' }, gauge.reading.slowsProducers ? 1 : 0)
    },
  })
}

export function pressureOf(engines: readonly EngineStatus[], reading: PressureReading): Pressure {
  const stopped = stoppedPartitions(engines)
  if (engines.length > 0 && stopped.size === engines.length) {
    const [[partition, why] = []] = stopped
    const detail = `Every partition has stopped. Partition ${partition}: ${why}`
    return { kind: 'stopped', retryAfterSeconds: retryAfterSeconds.stopped, detail }
  }
  if (!reading.slowsProducers) return { kind: 'ok' }
  return { kind: 'slow', retryAfterSeconds: retryAfterSeconds[reading.holdsBack ? 'held' : 'slow'] }
}

/** Partitions that have stopped, and why. */
export function stoppedPartitions(engines: readonly EngineStatus[]): ReadonlyMap<number, string> {
  const failed = engines.filter(engine => engine.state === 'failed')
  return new Map(failed.map(({ partition, failure }) => [partition, failure?.detail ?? 'see the log']))
}

function extentOf(state: { first_seq: number; last_seq: number; bytes: number }) {
  return { firstSeq: state.first_seq, lastSeq: state.last_seq, bytes: state.bytes }
}
