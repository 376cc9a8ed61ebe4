// The view kpi_daily on random rows, held against the same figures computed in TypeScript the slow and obvious way.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { Decimal } from 'decimal.js'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { type ClickHouseConfig, openClickHouse } from './config.js'
import { migrate } from './migrate.js'
import { expectedFigures, type Figure, figureText } from './testing/expected-kpis.js'
import { type Books, bookRows, books } from './testing/kpi-books.js'

const generousMs = 300_000
let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-kpis-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config: ClickHouseConfig = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
}, generousMs)

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

async function fill(all: Books): Promise<void> {
  const settings = { date_time_input_format: 'best_effort' } as const
  for (const [table, values] of Object.entries(bookRows(all))) {
    await client.command({ query: `TRUNCATE TABLE ${table}` })
    if (values.length > 0)
      await client.insert({ table, values, format: 'JSONEachRow', clickhouse_settings: settings })
  }
}

async function figures(): Promise<Figure[]> {
  const settings = { output_format_json_quote_decimals: 1 } as const
  const query = 'SELECT * FROM kpi_daily'
  const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  return (await result.json<Record<string, string | null>>()).map(row => ({
    key: [row['day'], row['kpi'], row['entity_id'], row['currency'], row['unit']].join(' '),
    numerator: new Decimal(row['numerator']!),
    denominator: new Decimal(row['denominator']!),
    worst: row['worst'] === null ? null : new Decimal(row['worst']!),
    value: row['value'] === null ? null : new Decimal(row['value']!),
  }))
}

test(
  'each figure of each day is what a slow reading of the rows comes to',
  async () => {
    const runs = Number(process.env['KPI_RUNS'] ?? 5)
    await fc.assert(
      fc.asyncProperty(books, async all => {
        await fill(all)
        const found = (await figures()).map(figureText).sort()
        expect(found).toEqual(expectedFigures(all).map(figureText).sort())
      }),
      { numRuns: runs, ...(process.env['KPI_RUNS'] === undefined ? { seed: 12, endOnFailure: true } : {}) },
    )
  },
  generousMs,
)

test(
  'what no row tells of has no figure, and no zero',
  async () => {
    await fill({
      batches: [],
      charges: [],
      entries: [],
      payments: [],
      invoices: [],
      outcomes: [],
      letters: [],
    })
    expect(await figures()).toEqual([])
  },
  generousMs,
)
