// `weir bench floor`: the minimal work of any such pipeline on this machine. The same producers fill the same
// stream; messages are read and `JSON.parse`d, and as many rows are inserted into the same table of the same
// ClickHouse in the same way. It has no order, no deduplication, no prices and no checkpoint. It has one
// worker thread beside the main thread, like the pipeline on this machine.

import { fileURLToPath } from 'node:url'
import type { ClickHouseClient } from '@clickhouse/client'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { Piscina } from 'piscina'
import type { BulkTransport } from '../../pipeline/broker/bulk-transport.js'
import { connectBroker } from '../../pipeline/broker/connect-broker.js'
import { ensureTopology } from '../../pipeline/broker/topology.js'
import { defaultEngineLimits } from '../../pipeline/config/limits.js'
import type { InputMessage } from '../../pipeline/core/decode/decode.js'
import { InputReader } from '../../pipeline/engine/input-reader.js'
import { startServers } from '../../pipeline/servers/embedded.js'
import { bufferOf, packMessages } from '../../pipeline/workers/protocol.js'
import { joinStreams } from '../../schemas/arrow/arrow-streams.js'
import { builtFile } from '../../schemas/package-root.js'
import { openClickHouse } from '../../sinks/clickhouse/config.js'
import { insertArrow } from '../../sinks/clickhouse/insert.js'
import { migrate } from '../../sinks/clickhouse/migrate.js'
import { RowsFolder } from '../../sinks/clickhouse/rows-folder.js'
import { type BenchOptions, benchConfig, inFreshDirectory, trafficOf } from '../measure/context.js'
import { producersName, type Usage, UsageMeter } from '../measure/process-usage.js'
import { type BenchReport, factsOf, reportOf, rounded } from '../measure/report.js'
import { rowDifferences, rowsQueryable } from '../measure/verdict.js'
import { Producer } from '../workload/producer.js'

export interface FloorReport extends BenchReport {
  readonly rows: number
  readonly bytes: number
  readonly published_seconds: number
  readonly processes: Usage['processes']
}

/** Bytes of one insert, about as many as in an insert of the pipeline's sink. */
const batchBytes = 8 << 20
/** Limit of inserts in the worker, waiting for it, or being sent to ClickHouse. */
const batchesUnderWay = 4
const stallMs = 60_000

export async function floor(options: BenchOptions): Promise<FloorReport> {
  const producer = new Producer()
  try {
    return await floorFrom(producer, options)
  } finally {
    await producer.stop()
  }
}

export async function floorFrom(producer: Producer, options: BenchOptions): Promise<FloorReport> {
  const facts = factsOf('floor', options.seed)
  const traffic = trafficOf(options, Date.now())
  const making = options.progress.step('making events', 0)
  const expected = await producer.prepare(traffic)
  making.done()
  return inFreshDirectory(async dataDir => {
    const { progress } = options
    const config = benchConfig(dataDir, options)
    const onEnded = (server: string, detail: string) => options.log.error({ server, detail }, 'server ended')
    const searchPath = process.env['PATH'] ?? ''
    const servers = await startServers(config, { searchPath, onNotice: progress.notice, onEnded })
    const { nc, bulk } = await connectBroker(servers.nats)
    await ensureTopology(nc, { partitions: traffic.partitions })
    const login = servers.clickhouse
    await migrate(login)
    const clickhouse = openClickHouse(login)
    const mover = await Mover.start(nc, bulk, clickhouse, new RowsFolder(login))
    const pids = servers.pids()
    const meter = new UsageMeter({
      weir: process.pid,
      'nats-server': pids.nats,
      clickhouse: pids.clickhouse,
      [producersName]: producer.pid,
    })
    try {
      const rows = expected.events * 2
      const step = progress.step('rows queryable in ClickHouse', rows)
      meter.begin()
      const startedAt = performance.now()
      const publishing = producer.publish(servers.nats)
      const onRows = (count: number) => step.advance(count)
      await Promise.all([
        publishing,
        mover.move(expected.messages),
        rowsQueryable(clickhouse, rows, { stallMs, onRows }),
      ])
      const sum = expected.quantitySent
      const differences = await rowDifferences(clickhouse, { rows, column: 'quantity', sum })
      const seconds = (performance.now() - startedAt) / 1_000
      const usage = meter.end()
      step.done()
      return {
        ...reportOf(facts, { events: expected.events, seconds, usage, differences }),
        rows,
        bytes: expected.bytes,
        published_seconds: rounded((await publishing).seconds, 3),
        processes: usage.processes,
      }
    } finally {
      await mover.stop()
      await clickhouse.close()
      await nc.close()
      await servers.stop()
    }
  })
}

/** Moves the stream into the table: prefetches messages, has the worker make rows, inserts them. */
class Mover {
  readonly #clickhouse: ClickHouseClient
  readonly #folder: RowsFolder
  readonly #worker: Piscina
  #reader: InputReader | undefined
  #wake: () => void = () => undefined
  #failure: Error | undefined

  static async start(
    nc: NatsConnection,
    bulk: BulkTransport,
    clickhouse: ClickHouseClient,
    folder: RowsFolder,
  ): Promise<Mover> {
    const mover = new Mover(clickhouse, folder)
    const jsm = await jetstreamManager(nc)
    const { created } = await jsm.streams.info('METERING')
    mover.#reader = new InputReader({
      bulk,
      jsm,
      stream: 'METERING',
      filterSubjects: ['metering.>'],
      created,
      fromSeq: 1,
      limits: { ...defaultEngineLimits, prefetchBytes: 3 * batchBytes },
      onMessage: () => mover.#wake(),
      onFailure: failure => mover.#fail(failure),
      onInterruption: detail => mover.#fail(new Error(detail)),
    })
    return mover
  }

  private constructor(clickhouse: ClickHouseClient, folder: RowsFolder) {
    this.#clickhouse = clickhouse
    this.#folder = folder
    const filename = fileURLToPath(builtFile('bench/floor/floor-worker.js'))
    this.#worker = new Piscina({ filename, minThreads: 1, maxThreads: 1, recordTiming: false })
  }

  /** All stages overlap: messages are read and copied while the worker and ClickHouse handle earlier ones. */
  async move(messages: number): Promise<void> {
    const underWay = new Set<Promise<void>>()
    for (let moved = 0, number = 1; moved < messages; number += 1) {
      const batch = await this.#nextMessages()
      moved += batch.length
      const work = this.#moveBatch(batch, number).finally(() => underWay.delete(work))
      underWay.add(work)
      if (underWay.size >= batchesUnderWay) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  }

  async stop(): Promise<void> {
    this.#reader?.stop()
    await this.#worker.destroy()
  }

  /** The messages that are ready, up to `batchBytes`; waits only when there are none. */
  async #nextMessages(): Promise<readonly InputMessage[]> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      const messages = this.#reader?.take(batchBytes) ?? []
      if (messages.length > 0) return messages
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  async #moveBatch(messages: readonly InputMessage[], number: number): Promise<void> {
    const packed = packMessages(messages)
    const transferList = [packed.bytes, packed.ends, packed.seqs, packed.arrivedAtMs].map(bufferOf)
    const streams = (await this.#worker.run(packed, { name: 'encode', transferList })) as Uint8Array[]
    const parts = joinStreams(streams)
    if (parts === undefined) throw new Error('the floor writes streams of one schema')
    await insertArrow(this.#clickhouse, this.#folder, {
      table: 'rated_usage',
      parts,
      token: `floor:${number}`,
    })
  }

  #fail(failure: Error): void {
    this.#failure ??= failure
    this.#wake()
  }
}
