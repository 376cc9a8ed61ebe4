// Shows that the checks of the kill test can fail. A ledger is delivered to ClickHouse and every answer is
// lost once, as when a kill comes between an insert and the record of it. Under the range's token nothing is
// doubled; under a new token for each attempt everything is doubled, and the audit reports it.

import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import {
  type EmbeddedClickhouse,
  startEmbeddedClickhouse,
} from '../../../deploy/embedded/clickhouse-server.js'
import { type NatsServer, startNatsServer } from '../../../deploy/embedded/nats-server.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { migrate } from '../../../sinks/clickhouse/migrate.js'
import { ledgerSubjects } from '../../../sinks/clickhouse/records.js'
import { ClickHouseSink } from '../../../sinks/clickhouse/sink.js'
import type { FeedRange, Sink, SinkOutcome } from '../../../sinks/sink.js'
import { Deliverer } from '../../deliver/deliverer.js'
import { freeFeed } from '../../deliver/testing/flow-gates.js'
import { auditEvents } from './audit.js'
import { killRun } from './kill-run.js'
import { type Month, monthOf } from './month.js'

const events = 4_000
const generousMs = 300_000

let weir: SupervisedWeir
let month: Month
let broker: NatsServer
let clickhouse: EmbeddedClickhouse

beforeAll(async () => {
  month = await monthOf(events, 40)
  weir = await SupervisedWeir.start()
  await killRun(weir, month, { seed: 'quiet', rounds: { usage: 0, drain: 0, billing: 0 } })
  expect(await weir.end()).toBe(0)
  broker = await startNatsServer({ storeDir: join(weir.dataDir, 'nats') })
  clickhouse = await startEmbeddedClickhouse({ dataDir: join(weir.dataDir, 'clickhouse-again') })
}, generousMs)

afterAll(async () => {
  await clickhouse?.stop()
  await broker?.stop()
  await weir?.stop()
}, generousMs)

test(
  'an insert whose answer is lost counts once when it is repeated under its token',
  async () => {
    expect(await deliveredAgain('named', range => range.token)).toEqual([])
  },
  generousMs,
)

test(
  'canary: without the token the same fault is found as doubled events',
  async () => {
    let attempts = 0
    const found = await deliveredAgain('unnamed', range => {
      attempts += 1
      return `${range.token}:${attempts}`
    })
    expect(found.join('\n')).toContain(`${events} events doubled`)
  },
  generousMs,
)

/** Delivers the whole ledger into its own database, every range twice, and audits the result. */
async function deliveredAgain(database: string, tokenOf: (range: FeedRange) => string): Promise<string[]> {
  const config = { url: clickhouse.url, ...clickhouse.login, database }
  await migrate(config)
  const nc = await connect({ ...broker.login() })
  const [js, jsm] = [jetstream(nc), await jetstreamManager(nc)]
  const inner = new ClickHouseSink(config)
  const sink = losingAnswers(inner, tokenOf)
  const kv = await new Kvm(js).open('weir_sinks')
  const limits = { rangeMessages: 20, paceMinMs: 0, paceMaxMs: 5, retryMinMs: 1, retryMaxMs: 10 }
  const deliverer = new Deliverer({
    gate: freeFeed,
    stream: 'LEDGER',
    filterSubjects: ledgerSubjects,
    key: database,
    sink,
    js,
    jsm,
    kv,
    limits,
  })
  const client = openClickHouse(config)
  try {
    deliverer.start()
    const { state } = await jsm.streams.info('LEDGER')
    await deliverer.waitUntilDelivered(state.last_seq, AbortSignal.timeout(generousMs))
    return await auditEvents(client, month)
  } finally {
    await deliverer.close()
    await client.close()
    await inner.close()
    await nc.close()
  }
}

/** The first attempt of each range succeeds, but its answer is lost. */
function losingAnswers(inner: Sink, tokenOf: (range: FeedRange) => string): Sink {
  const lost = new Set<string>()
  return {
    name: inner.name,
    async apply(range, signal): Promise<SinkOutcome> {
      const outcome = await inner.apply({ ...range, token: tokenOf(range) }, signal)
      if (outcome.kind !== 'ok' || lost.has(range.token)) return outcome
      lost.add(range.token)
      return { kind: 'retryable', code: 'connection', detail: 'the answer was lost' }
    },
  }
}
