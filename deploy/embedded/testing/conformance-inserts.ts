// The part of the conformance suite about inserts: every format, exact digits, deduplication.

import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { expect, test } from 'vitest'
import type { Suite } from './conformance-suite.js'

export function describeInserts(suite: Suite): void {
  test('UInt64 and Decimal(38, 12) come back with every digit', async () => {
    await createTable(suite, 'id UInt64, money Decimal(38, 12)')
    const rows = [
      { id: '18446744073709551615', money: '99999999999999999999999999.999999999999' },
      { id: '9007199254740993', money: '-0.000000000001' },
    ]
    await suite.client.insert({ table: 't', values: rows, format: 'JSONEachRow' })
    expect(await suite.rows('SELECT * FROM t ORDER BY id DESC')).toEqual(rows)
    expect(await suite.rows('SELECT sum(money) AS total FROM t')).toEqual([
      { total: '99999999999999999999999999.999999999998' },
    ])
  })

  test('columns go by name, missing ones take their defaults, and the summary counts the rows', async () => {
    await createTable(
      suite,
      `id UInt64, text String DEFAULT concat('row ', toString(id)), label LowCardinality(String), maybe Nullable(Int32),
       at DateTime64(3, 'UTC'), tags Map(LowCardinality(String), String), double UInt64 MATERIALIZED id * 2`,
    )
    const { summary } = await suite.client.insert({
      table: 't',
      columns: ['tags', 'at', 'label', 'id'],
      values: [{ id: 1, label: 'a', at: '2024-02-29 12:00:00.123', tags: { k: "v'" } }],
      format: 'JSONEachRow',
    })
    expect(summary?.written_rows).toBe('1')
    await suite.client.insert({
      table: 't',
      values: [{ maybe: -5, text: 'é;\n', id: 2 }],
      format: 'JSONEachRow',
    })
    expect(await suite.rows('SELECT *, double FROM t ORDER BY id')).toEqual([
      {
        id: '1',
        text: 'row 1',
        label: 'a',
        maybe: null,
        at: '2024-02-29 12:00:00.123',
        tags: { k: "v'" },
        double: '2',
      },
      { id: '2', text: 'é;\n', label: '', maybe: -5, at: '1970-01-01 00:00:00.000', tags: {}, double: '4' },
    ])
  })

  test('rows may stand behind the statement, in the address or come packed', async () => {
    await createTable(suite, 'id UInt32, text String')
    await suite.post('', `INSERT INTO t VALUES (1, 'a;b'), (2, concat('x', 'y'));`)
    await suite.post(
      '',
      `insert into t (text, id) settings async_insert = 0 format JSONEachRow\n{"id": 3, "text": "c"}`,
    )
    await suite.post(`INSERT INTO t FORMAT CSV SETTINGS format_csv_delimiter = '|'`, '4|d\n')
    await suite.post(`INSERT INTO t VALUES (5, 'e')`)
    await suite.post('INSERT INTO t FORMAT CSV', gzipSync('6,f\n'), { 'Content-Encoding': 'gzip' })
    await suite.post('', gzipSync('INSERT INTO t FORMAT CSV\n7,g\n'), { 'Content-Encoding': 'gzip' })
    await suite.post('INSERT INTO t /* FORMAT x */ SELECT 8, $$h;$$')
    const rows = await suite.rows<{ text: string }>('SELECT text FROM t ORDER BY id')
    expect(rows.map(row => row.text)).toEqual(['a;b', 'xy', 'c', 'd', 'e', 'f', 'g', 'h;'])
  })

  test('an insert that fails in its last row leaves no row', async () => {
    await createTable(suite, 'id UInt32')
    const lines = Array.from({ length: 1_000 }, (_, id) => `${id}\n`).join('')
    const answer = await suite.post('INSERT INTO t FORMAT CSV', `${lines}x\n`)
    expect([answer.status, answer.headers.has('x-clickhouse-exception-code')]).toEqual([400, true])
    expect(await suite.rows('SELECT count() AS n FROM t')).toEqual([{ n: '0' }])
  })
}

export function describeInsertFormats(suite: Suite): void {
  test('CSV is taken as text and as a stream', async () => {
    await createTable(suite, 'id UInt32, text String')
    await suite.client.insert({
      table: 't',
      values: Readable.from(['1,"a\n', 'b;"\n2,', '"c"\n'], { objectMode: false }),
      format: 'CSV',
    })
    const options = { format_csv_delimiter: '|' } as const
    await suite.client.insert({
      table: 't',
      values: Readable.from(['3|d\n'], { objectMode: false }),
      format: 'CSV',
      clickhouse_settings: options,
    })
    expect(await suite.rows('SELECT * FROM t ORDER BY id')).toEqual([
      { id: 1, text: 'a\nb;' },
      { id: 2, text: 'c' },
      { id: 3, text: 'd' },
    ])
  })

  test('an Arrow stream is taken byte for byte', async () => {
    await createTable(suite, 'id UInt64, text String, label LowCardinality(String), share Float64')
    const count = 50_000
    const table = tableFromArrays({
      label: Array.from({ length: count }, (_, i) => `label ${i % 7}`),
      id: BigUint64Array.from({ length: count }, (_, i) => 2n ** 63n + BigInt(i)),
      share: Float64Array.from({ length: count }, (_, i) => i / 3),
      text: Array.from({ length: count }, (_, i) => `${i}\n;'\0`),
    })
    const values = Readable.from([tableToIPC(table, 'stream')], { objectMode: false })
    const { summary } = await suite.client.exec({ query: 'INSERT INTO t FORMAT ArrowStream', values })
    expect(summary?.written_rows).toBe(`${count}`)
    const check = `SELECT count() AS n, uniqExact(label) AS labels, max(id) AS top, sum(share) AS shares,
      countIf(text = concat(toString(id - toUInt64('9223372036854775808')), '\n;\\'\\0')) AS good FROM t`
    expect(await suite.rows(check)).toEqual([
      {
        n: `${count}`,
        labels: '7',
        top: `${2n ** 63n + 49_999n}`,
        shares: expect.closeTo(416_658_333.33, 1),
        good: `${count}`,
      },
    ])
  })

  test.each(['Parquet', 'Native', 'RowBinary', 'ArrowStream', 'TabSeparated'])(
    '%s that ClickHouse wrote is taken back',
    async format => {
      await createTable(suite, 'id UInt64, text String, money Decimal(38, 12), tags Map(String, String)')
      const select = `SELECT number AS id, concat(toString(number), '\n;') AS text, toDecimal128(number, 12) / 7 AS money,
      map('k', toString(number)) AS tags FROM numbers(30000)`
      const written = await suite.post('', `${select} FORMAT ${format}`)
      const bytes = Buffer.from(await written.arrayBuffer())
      const inserted = await suite.post(`INSERT INTO t FORMAT ${format}`, bytes)
      expect([written.status, inserted.status, await inserted.text()]).toEqual([200, 200, ''])
      const [found] = await suite.rows(`SELECT count() AS n, sum(cityHash64(*)) AS hash FROM t`)
      const [wanted] = await suite.rows(`SELECT count() AS n, sum(cityHash64(*)) AS hash FROM (
      SELECT number AS id, concat(toString(number), '\n;') AS text, toDecimal128(toDecimal128(number, 12) / 7, 12) AS money,
      map('k', toString(number)) AS tags FROM numbers(30000))`)
      expect(found).toEqual(wanted)
    },
  )
}

export function describeDeduplication(suite: Suite): void {
  const insert = (id: number, token: string | null) =>
    suite.client.insert({
      table: 't',
      values: [{ id }],
      format: 'JSONEachRow',
      clickhouse_settings: {
        insert_deduplicate: 1,
        async_insert: 0,
        wait_end_of_query: 1,
        ...(token === null ? {} : { insert_deduplication_token: token }),
      },
    })

  test('a token swallows its own retry and nothing else', async () => {
    await suite.client.command({
      query: `CREATE TABLE t (id UInt32) ENGINE = MergeTree ORDER BY id
        SETTINGS non_replicated_deduplication_window = 100`,
    })
    await insert(1, 'first')
    await insert(1, 'first')
    await insert(1, 'second')
    // The trap: a token that stays on a connection would make this one a repetition of the one before.
    await insert(2, null)
    await insert(3, 'third')
    await insert(4, null)
    expect(await suite.rows('SELECT id, count() AS n FROM t GROUP BY id ORDER BY id')).toEqual([
      { id: 1, n: '2' },
      { id: 2, n: '1' },
      { id: 3, n: '1' },
      { id: 4, n: '1' },
    ])
  })
}

function createTable(suite: Suite, columns: string): Promise<unknown> {
  return suite.client.command({ query: `CREATE TABLE t (${columns}) ENGINE = MergeTree ORDER BY id` })
}
