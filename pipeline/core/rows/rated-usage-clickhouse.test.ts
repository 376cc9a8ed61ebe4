// ClickHouse reads what the core writes: the codes of rated usage decode to the texts that they stand for.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../../bench/measure/schema-template.js'
import {
  type EmbeddedClickhouse,
  startEmbeddedClickhouse,
} from '../../../deploy/embedded/clickhouse-server.js'
import { type RatedUsageRow, ratedUsageTable } from '../../../schemas/tables.js'
import { rowToWire } from '../../../schemas/testing/row-wire.js'
import { nsOf } from '../../../schemas/time.js'
import { openClickHouse } from '../../../sinks/clickhouse/config.js'
import { migrate } from '../../../sinks/clickhouse/migrate.js'
import { ClickHouseSink } from '../../../sinks/clickhouse/sink.js'
import type { LedgerOutput } from '../ports/core-io.js'
import type { RatedRow } from '../rate/rate.js'
import { RatedUsageColumns } from './rated-usage-columns.js'
import { ratedUsageRow } from './rated-usage-row.js'

let dataDir: string
let server: EmbeddedClickhouse
const signal = new AbortController().signal

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-coded-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
})

afterAll(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const startMs = Date.UTC(2026, 2, 1)
const startNs = nsOf(startMs)

/**
 * Row `i` of chunk `chunk`: texts with many and with few distinct values, some empty, in an order that
 * differs by chunk.
 */
function ratedRow(chunk: number, i: number, distinct: number): RatedRow {
  const at = (i * (2 * chunk + 1)) % distinct
  const text = (prefix: string, empty: number) => (at === empty ? '' : `${prefix}-${at}`)
  const charge = {
    chargeId: text('ch', distinct - 1),
    customerId: text('customer', -1),
    subscriptionId: text('sub', 0),
    price: chunk % 2 === 0 ? 'input' : '',
    meter: 'tokens',
    plan: 'pro',
    planVersion: 1,
    entityId: at % 3 === 0 ? '' : 'de',
    currency: 'EUR',
    subscriptionVersion: 1,
    fromNs: startNs,
    untilNs: startNs + 1_000n,
  }
  return {
    kind: 'usage',
    event: {
      source: text('/källa', 1),
      id: `${chunk}-${String(i).padStart(6, '0')}`,
      type: 'call',
      timeNs: startNs + BigInt(i),
      ingestedAtMs: startMs + 5,
      customerId: charge.customerId,
      pinnedSubscriptionId: '',
      correlationId: i % 5 === 0 ? `corr-${i}` : '',
      traceparent: '',
      input: { stream: 'METERING', sequence: i - (i % 100) },
    },
    reading: {
      meter: 'tokens',
      quantity: BigInt(i) * 10n ** 12n,
      text: `${i}`,
      dimensions: new Map([['model', text('m', 2)], ...(i % 2 === 0 ? [['region', 'eu'] as const] : [])]),
    },
    charge,
    subscriptionVersion: 1,
    plan: 'pro',
    planVersion: 1,
    entityId: charge.entityId,
    eventCount: 1,
    amount: BigInt(at) - 7n,
  } as unknown as RatedRow
}

/** Writes each list as its own chunks, all in one insert; returns what ClickHouse then holds. */
async function throughClickHouse(
  database: string,
  lists: readonly RatedRow[][],
  read: readonly RatedRow[][] = lists,
): Promise<void> {
  const config = { url: server.url, ...server.login, database }
  await migrate(config)
  const columns = new RatedUsageColumns(70_000, 64 << 20)
  const out: LedgerOutput[] = []
  const expected: RatedUsageRow[] = []
  lists.forEach((rows, chunk) => {
    const at = { ratedAtMs: startMs + chunk, partition: chunk, ledgerSequence: chunk + 1 }
    for (const rated of rows) columns.add(rated, at, out)
    for (const rated of read[chunk]!) expected.push(ratedUsageRow(rated, at))
    columns.flush(out)
  })
  const sink = new ClickHouseSink(config)
  const client = openClickHouse(config)
  try {
    const messages = out.map(({ bytes }, i) => ({
      sequence: i + 1,
      natsSubject: 'ledger.0.rated_usage',
      bytes,
    }))
    const range = { stream: 'LEDGER', from: 1, to: messages.length, token: database, messages } as const
    expect(await sink.apply(range, signal)).toEqual({ kind: 'ok', rows: expected.length })
    const result = await client.query({
      query: 'SELECT * FROM rated_usage ORDER BY ledger_sequence, event_id',
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_decimals: 1, date_time_output_format: 'iso' },
    })
    const actual = await result.json<Record<string, unknown>>()
    expect(actual.length).toBe(expected.length)
    for (let i = 0; i < actual.length; i += 1) {
      const [one, other] = [normal(actual[i]!), normal(rowToWire(ratedUsageTable, expected[i]!))]
      if (JSON.stringify(one) !== JSON.stringify(other)) expect(one).toEqual(other)
    }
  } finally {
    await sink.close()
    await client.close()
  }
}

/** An instant as the wire writes it: without zeros at the end of its fraction. */
const trimmed = (text: string): string => text.replace(/(\.\d*?)0+Z$/, '$1Z').replace('.Z', 'Z')

const normal = (row: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      typeof value === 'number' ? String(value) : typeof value === 'string' ? trimmed(value) : value,
    ]),
  )

const rowsOf = (chunk: number, count: number, distinct: number): RatedRow[] =>
  Array.from({ length: count }, (_, i) => ratedRow(chunk, i, distinct))

test('chunks whose dictionaries grow, shrink and change their order arrive as they were in one insert', async () => {
  await throughClickHouse('many', [
    rowsOf(0, 300, 7),
    rowsOf(1, 500, 257),
    rowsOf(2, 40, 3),
    rowsOf(3, 1, 1),
    rowsOf(4, 900, 900),
  ])
})

test('one customer under several charges and versions, and texts of broken surrogate pairs, are in a dictionary once', async () => {
  const rows = rowsOf(0, 200, 11).map((rated, i): RatedRow => {
    const customerId = i % 3 === 0 ? '\ud800' : i % 3 === 1 ? '\udfff' : 'Zürich'
    const charge = { ...rated.charge!, customerId, chargeId: `c${i % 4}`, subscriptionId: `s${i % 2}` }
    return { ...rated, event: { ...rated.event, customerId }, charge, subscriptionVersion: i % 5 }
  })
  const replaced = rows.map(rated => {
    const customerId = rated.event.customerId === 'Zürich' ? 'Zürich' : '\ufffd'
    return { ...rated, event: { ...rated.event, customerId } }
  })
  await throughClickHouse('versions', [rows], [replaced])
})

test('a chunk in which every row has texts of its own arrives as it was', async () => {
  await throughClickHouse('distinct', [rowsOf(0, 65_536, 65_536), rowsOf(1, 3, 2)])
})
