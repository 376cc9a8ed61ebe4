// What the own integration tests of @clickhouse/client ask of a server and the embedded ClickHouse does otherwise, or not at
// all: each is refused in words or told apart here, and listed with its reason in docs/compatibility.md.

import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  optionsFor,
  packages,
  type ServedClickhouse,
  serveClickhouse,
  streamed,
} from './clickhouse-clients.js'

const create = packages[0]!.create
let server: ServedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  server = await serveClickhouse()
  client = create(optionsFor(server))
})

afterAll(async () => {
  await client.close()
  await server.stop()
})

test.each(['query_log', 'opentelemetry_span_log', 'asynchronous_metric_log'])(
  'system.%s is not there, because the engine as a library writes no logs into tables',
  async table => {
    await client.command({ query: 'SYSTEM FLUSH LOGS' })
    const failed = client.query({ query: `SELECT * FROM system.${table}` })
    await expect(failed).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' })
  },
)

test.each(["CREATE USER u IDENTIFIED BY 'x'", 'CREATE ROLE r', 'GRANT SELECT ON *.* TO u'])(
  '%s is refused: the two users are fixed',
  async query => {
    await expect(client.command({ query })).rejects.toThrow(/Not enough privileges|is not possible/)
  },
)

test('the reader is the read-only user that clients expect: rows, and no tables, inserts or users', async () => {
  await client.command({ query: 'CREATE DATABASE weir' })
  await client.command({ query: 'CREATE TABLE weir.t (id UInt8) ENGINE = Memory' })
  await client.insert({ table: 'weir.t', values: [{ id: 7 }], format: 'JSONEachRow' })
  const { user: username, password } = server.analyst
  const reader = create(optionsFor(server, { username, password }))
  expect(await (await reader.query({ query: 'SELECT id FROM weir.t', format: 'CSV' })).text()).toBe('7\n')
  const refusals = [
    () => reader.command({ query: 'CREATE TABLE weir.other (id UInt8) ENGINE = Memory' }),
    () => reader.insert({ table: 'weir.t', values: [{ id: 8 }], format: 'JSONEachRow' }),
    () => reader.query({ query: 'SELECT * FROM system.users' }),
  ]
  for (const refused of refusals)
    await expect(refused()).rejects.toMatchObject({
      code: '497',
      message: expect.stringContaining('Not enough privileges'),
    })
  await reader.close()
})

test('JSONEachRowWithProgress carries everything, with the progress where the engine tells it: behind the rows', async () => {
  const query =
    'SELECT number % 2 AS k, count() AS n FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k LIMIT 2'
  const result = await client.query({
    query,
    format: 'JSONEachRowWithProgress',
    clickhouse_settings: { rows_before_aggregation: 1, extremes: 1 },
  })
  const lines = (await result.json()) as Record<string, unknown>[]
  expect(lines.flatMap(line => Object.keys(line))).toEqual(
    expect.arrayContaining(['meta', 'row', 'totals', 'min', 'max', 'progress', 'rows_before_limit_at_least']),
  )
  expect(lines.filter(line => 'row' in line)).toEqual([{ row: { k: 0, n: '5' } }, { row: { k: 1, n: '5' } }])
  const failing = "SELECT throwIf(number = 10, 'boom') FROM system.numbers LIMIT 100"
  const failed = client.query({
    query: failing,
    format: 'JSONEachRowWithProgress',
    clickhouse_settings: { max_block_size: '1' },
  })
  await expect(failed).rejects.toMatchObject({ code: '395', message: expect.stringContaining('boom') })
})

test('rows for no column are refused, where ClickHouse drops them in silence', async () => {
  await client.command({ query: 'CREATE TABLE narrow (id UInt8) ENGINE = Memory' })
  const insert = client.insert({
    table: 'narrow',
    values: [{}],
    format: 'JSONEachRow',
    columns: { except: ['id'] },
  })
  await expect(insert).rejects.toThrow('Empty list of columns to insert')
})

test('CSV with CR LF arrives whole, and the client’s stream takes its lines for an error', async () => {
  const asked = {
    query: 'SELECT number FROM numbers(2000)',
    clickhouse_settings: { output_format_csv_crlf_end_of_line: 1, max_block_size: '1000' },
  } as const
  const text = await (await client.query({ ...asked, format: 'CSV' })).text()
  expect(text.split('\r\n')).toHaveLength(2001)
  const rows = await client.query({ ...asked, format: 'CSV' })
  await expect(streamed(rows.stream())).rejects.toThrow()
})
