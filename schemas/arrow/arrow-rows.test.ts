// Tests that rows written as Arrow and read by the Arrow library keep every digit.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { query } from 'chdb'
import { afterAll, expect, test } from 'vitest'
import { formatScaled, scaledMax } from '../money/decimal.js'
import { type ColumnKind, clickhouseStructure, type TableDescription } from '../table-description.js'
import { ratedUsageTable, subscriptionVersionsTable, tables } from '../tables.js'
import { nsOf, rangeEndMs } from '../time.js'
import { encodeRows } from './arrow-rows.js'
import { joinStreams } from './arrow-streams.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-arrow-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What ClickHouse reads from a stream, every value as text. */
function read(table: TableDescription<unknown>, bytes: Uint8Array, select: string): string[][] {
  const path = join(folder, `${table.name}.arrow`)
  writeFileSync(path, bytes)
  const structure = clickhouseStructure(table).replaceAll("'", "\\'")
  const text = query(
    `SELECT ${select} FROM file('${path}', 'ArrowStream', '${structure}')`,
    'JSONCompactStringsEachRow',
  )
  return text
    .trim()
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as string[])
}

const samples: { readonly [K in ColumnKind]: unknown } = {
  string: 'text',
  low_cardinality: 'low',
  instant_ms: 1,
  instant_ns: 1n,
  nullable_instant_ns: undefined,
  date: '2026-02-28',
  decimal: 1n,
  uint32: 7,
  uint64: 8,
  int8: -1,
  int64: -9,
  map: new Map(),
}

function rowOf<R>(table: TableDescription<R>, fields: Partial<R> = {}): R {
  const base = table.columns.map(column => [column.field, samples[column.kind]])
  return { ...Object.fromEntries(base), ...fields } as R
}

const texts = ['', 'plain', 'Zürich', '日本語', '😀\u0000x', 'a\tb\n"c"\\', 'x'.repeat(10_000), '']

test('text arrives exactly: empty, Unicode, control characters, long', () => {
  const rows = texts.map(text => rowOf(ratedUsageTable, { eventId: text, plan: text }))
  expect(read(ratedUsageTable, encodeRows(ratedUsageTable, rows), 'event_id, plan')).toEqual(
    texts.map(text => [text, text]),
  )
})

test('decimals arrive to the last digit', () => {
  const values = [
    0n,
    1n,
    -1n,
    scaledMax,
    -scaledMax,
    2n ** 63n - 1n,
    2n ** 63n,
    -(2n ** 63n),
    -(2n ** 63n) - 1n,
    10n ** 30n,
  ]
  const rows = values.map(amount => rowOf(ratedUsageTable, { amount, quantity: -amount }))
  expect(
    read(ratedUsageTable, encodeRows(ratedUsageTable, rows), 'toString(amount), toString(quantity)'),
  ).toEqual(values.map(value => [formatScaled(value), formatScaled(-value)]))
})

test('instants, to the nanosecond, and integers arrive exactly', () => {
  const instants = [0n, 1n, 1_767_322_800_123_456_789n, nsOf(rangeEndMs) - 1n]
  const rows = instants.map(eventTimeNs =>
    rowOf(ratedUsageTable, {
      eventTimeNs,
      ledgerSequence: 2 ** 53 - 1,
      partition: 2 ** 32 - 1,
      eventCount: -1,
    }),
  )
  const select =
    'toUnixTimestamp64Nano(event_time), ledger_sequence, partition, event_count, toTypeName(event_time)'
  expect(read(ratedUsageTable, encodeRows(ratedUsageTable, rows), select)).toEqual(
    instants.map(at => [`${at}`, '9007199254740991', '4294967295', '-1', "DateTime64(9, 'UTC')"]),
  )
})

test('an open end is NULL; a far one is kept', () => {
  const ends = [undefined, 5n, nsOf(rangeEndMs)]
  const rows = ends.map(effectiveUntilNs => rowOf(subscriptionVersionsTable, { effectiveUntilNs }))
  const found = read(
    subscriptionVersionsTable,
    encodeRows(subscriptionVersionsTable, rows),
    "ifNull(toString(toUnixTimestamp64Nano(effective_until)), 'null')",
  )
  expect(found).toEqual([['null'], ['5'], [`${nsOf(rangeEndMs)}`]])
})

test('maps arrive with their keys and values', () => {
  const maps = [
    new Map(),
    new Map([
      ['model', 'größe'],
      ['', ''],
    ]),
    new Map([['a', 'b']]),
  ]
  const rows = maps.map(dimensions => rowOf(ratedUsageTable, { dimensions }))
  const found = read(ratedUsageTable, encodeRows(ratedUsageTable, rows), 'toJSONString(dimensions)')
  expect(found.map(([text]) => JSON.parse(text!))).toEqual(maps.map(map => Object.fromEntries(map)))
})

test.each(tables.map(table => [table.name, table] as const))('ClickHouse reads %s whole', (_name, table) => {
  const bytes = encodeRows(table, [rowOf(table), rowOf(table)])
  const [first, second] = read(table, bytes, '*')
  expect(first).toHaveLength(table.columns.length)
  expect(second).toEqual(first)
  const date = table.columns.findIndex(column => column.kind === 'date')
  if (date !== -1) expect(first![date]).toBe('2026-02-28')
})

test('ClickHouse reads joined streams of one table as one, in order, with empty ones among them', () => {
  const streams = [['a', 'b'], [], ['c'], Array.from({ length: 1000 }, (_, i) => `ü${i}`)].map(ids =>
    encodeRows(
      ratedUsageTable,
      ids.map(eventId => rowOf(ratedUsageTable, { eventId })),
    ),
  )
  const joined = Buffer.concat(joinStreams(streams)!)
  const ids = read(ratedUsageTable, joined, 'event_id').map(([id]) => id)
  expect(ids).toEqual(['a', 'b', 'c', ...Array.from({ length: 1000 }, (_, i) => `ü${i}`)])
})
