// The official JavaScript clients of ClickHouse, @clickhouse/client and @clickhouse/client-web, against the embedded one:
// inserts in each format, columns, types and times. The classes are those that their own integration tests exercise.

import { Readable } from 'node:stream'
import type { ClickHouseClient, DataFormat } from '@clickhouse/client'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { optionsFor, packages, type ServedClickhouse, serveClickhouse } from './clickhouse-clients.js'

let server: ServedClickhouse

beforeAll(async () => {
  server = await serveClickhouse()
})

afterAll(() => server.stop())

const names = ['id', 'name', 'sku']
const types = ['UInt64', 'String', 'Array(UInt8)']
const meta = names.map((name, i) => ({ name, type: types[i] ?? '' }))
const rows = [
  { id: '42', name: 'hello', sku: [0, 1] },
  { id: '43', name: 'wörld, "♥"\n\'', sku: [] },
]
const compact = rows.map(({ id, name, sku }) => [id, name, sku])
const strings = rows.map(({ id, name, sku }) => [id, name, `[${sku.join(',')}]`])
const unquoted = { output_format_json_quote_64bit_integers: 0 } as const

describe.each(packages)('$name', ({ name: packageName, create }) => {
  let client: ClickHouseClient
  const json = async (query: string, settings = {}) =>
    (await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })).json()

  beforeAll(() => {
    client = create(optionsFor(server))
  })
  afterAll(() => client.close())
  beforeEach(() =>
    client.command({
      query: 'CREATE OR REPLACE TABLE t (id UInt64, name String, sku Array(UInt8)) ENGINE = Memory',
    }),
  )

  test.each<[DataFormat, unknown]>([
    ['JSONEachRow', rows],
    ['JSONStringsEachRow', strings.map(([id, name, sku]) => ({ id, name, sku }))],
    ['JSONCompactEachRow', compact],
    ['JSONCompactStringsEachRow', strings],
    ['JSONCompactEachRowWithNames', [names, ...compact]],
    ['JSONCompactEachRowWithNamesAndTypes', [names, types, ...compact]],
    ['JSONCompactStringsEachRowWithNames', [names, ...strings]],
    ['JSONCompactStringsEachRowWithNamesAndTypes', [names, types, ...strings]],
    ['JSON', { meta, data: rows }],
    ['JSONCompact', { meta, data: compact }],
    ['JSONObjectEachRow', { first: rows[0], second: rows[1] }],
    [
      'JSONColumnsWithMetadata',
      { meta, data: { id: ['42', '43'], name: rows.map(row => row.name), sku: [[0, 1], []] } },
    ],
  ])('values are inserted as %s', async (format, values) => {
    const result = await client.insert({ table: 't', values: values as readonly unknown[], format })
    expect(result.executed).toBe(true)
    // The client for the web does not read the summary.
    if (packageName === '@clickhouse/client') expect(result.summary?.written_rows).toBe('2')
    expect(result.response_headers['content-type']).toMatch(/^text\/.+; charset=UTF-8$/)
    expect(await json('SELECT * FROM t ORDER BY id')).toEqual(rows)
  })

  test('only the given columns are inserted, or all but the given ones', async () => {
    const insert = (values: unknown[], columns: { except: [string] } | [string, ...string[]]) =>
      client.insert({ table: 't', values, format: 'JSONEachRow', columns })
    await insert([{ id: 1 }], ['id'])
    await insert([{ id: 2, name: 'two' }], { except: ['sku'] })
    await insert([{ id: 3, name: 'three', sku: [3] }], { except: ['no_such_column'] })
    expect(await json('SELECT * FROM t ORDER BY id', unquoted)).toEqual([
      { id: 1, name: '', sku: [] },
      { id: 2, name: 'two', sku: [] },
      { id: 3, name: 'three', sku: [3] },
    ])
    await expect(insert([{ id: 1 }], ['no_such_column', 'id'])).rejects.toThrow(
      'No such column no_such_column',
    )
  })

  test('a header that names another column is skipped, and one with another type is refused', async () => {
    const format = 'JSONCompactEachRowWithNamesAndTypes'
    await client.insert({
      table: 't',
      values: [
        ['other', 'name'],
        ['UInt64', 'String'],
        ['7', 'kept'],
      ],
      format,
    })
    expect(await json('SELECT id, name FROM t', unquoted)).toEqual([{ id: 0, name: 'kept' }])
    const wrong = client.insert({
      table: 't',
      values: [
        ['id', 'name'],
        ['UInt64', 'UInt64'],
        ['7', '8'],
      ],
      format,
    })
    await expect(wrong).rejects.toThrow("Type of 'name' must be String, not UInt64")
  })

  test.each<[string, DataFormat, unknown[], string]>([
    ['of another kind', 'JSONEachRow', [{ id: 'x', name: 'a', sku: [] }], 'Cannot parse'],
    ['of too few columns', 'JSONCompactEachRow', [['1']], 'Cannot parse'],
    [
      'with an unknown field',
      'JSONEachRow',
      [{ id: 1, nobody: 2 }],
      'Unknown field found while parsing JSONEachRow format: nobody',
    ],
  ])('a row %s is refused', async (_what, format, values, message) => {
    const settings = { input_format_skip_unknown_fields: 0 } as const
    const insert = client.insert({ table: 't', values, format, clickhouse_settings: settings })
    await expect(insert).rejects.toThrow(message)
    expect(await json('SELECT * FROM t')).toEqual([])
  })

  test('inserts at the same time, without rows, and asynchronous ones are all taken', async () => {
    const insert = (values: unknown[], clickhouse_settings = {}) =>
      client.insert({ table: 't', values, format: 'JSONEachRow', clickhouse_settings })
    await Promise.all(Array.from({ length: 10 }, (_, id) => insert([{ id }])))
    await insert([])
    await insert([{ id: 10 }], { async_insert: 1, wait_for_async_insert: 1, insert_quorum: '0' })
    await client.command({ query: "INSERT INTO t VALUES (11, 'a;b', [1]), (12, 'c', [])" })
    await client.exec({ query: 'INSERT INTO t SELECT 13, toString(13), [13]' })
    expect(await json('SELECT count() AS n, sum(id) AS ids FROM t', unquoted)).toEqual([{ n: 14, ids: 91 }])
  })

  test.each<[string, unknown, unknown?]>([
    ['Int8', -128],
    ['Int64', '-9223372036854775808'],
    ['UInt128', '340282366920938463463374607431768211455'],
    ['Int256', '-57896044618658097711785492504343953926634992332820282019728792003956564819968'],
    ['Float64', -0.113259394344324],
    ['Bool', true],
    ['FixedString(3)', 'bar'],
    ['Decimal(9, 2)', '1234567.89'],
    ['Decimal(76, 20)', '12345678912345678912345678911234567891234567891234567891.12345678911234567891'],
    ['UUID', '61f0c404-5cb3-11e7-907b-a6006ad3dba0'],
    ['Date', '2149-06-06'],
    ['Date32', '2178-04-16'],
    ['DateTime', '2106-02-07 06:28:15'],
    ['DateTime', 1_662_328_969, '2022-09-04 22:02:49'],
    ["DateTime('Asia/Istanbul')", 1_662_328_969, '2022-09-05 01:02:49'],
    ['DateTime64(3)', 1_662_328_969_123, '2022-09-04 22:02:49.123'],
    ["DateTime64(3, 'Asia/Istanbul')", '2022-09-05 00:02:49.456'],
    ['DateTime64(9)', '2008-04-05 03:45:42.123456789'],
    ["Enum('Foo', 'Bar')", 'Bar'],
    ['LowCardinality(String)', 'qaz'],
    ['Tuple(Date, Array(Int32))', ['2022-01-04', [1, 2]]],
    ['Tuple(a String, b UInt8)', { a: 'x', b: 1 }],
    ['Array(Array(Tuple(String, Int32)))', [[['qaz', 144]], []]],
    ['Map(Int32, Map(String, UInt8))', { 1: { a: 2 } }],
    ['Array(Nullable(Int32))', [51, null]],
    ['Nullable(String)', null],
    ['IPv4', '68.172.195.211'],
    ['IPv6', 'f984:5f0b:bf33:e2db:16cd:567c:c1b3:20c4'],
    ['Point', [42, 144]],
    [
      'MultiPolygon',
      [
        [
          [
            [20, 20],
            [50, 20],
            [50, 50],
          ],
        ],
      ],
    ],
    ['JSON', { a: { b: '2' } }],
    ['Variant(String, Int32)', 42],
    ['Dynamic', 'foo'],
    ['SimpleAggregateFunction(sum, UInt64)', '7'],
  ])('%s is kept (%j)', async (type, value, expected = value) => {
    await client.command({
      query: `CREATE OR REPLACE TABLE kept (v ${type}) ENGINE = Memory`,
    })
    await client.insert({ table: 'kept', values: [{ v: value }], format: 'JSONEachRow' })
    expect(await json('SELECT v FROM kept')).toEqual([{ v: expected }])
  })

  test('dates of JavaScript are kept, and bytes that are no text are not mangled in silence', async () => {
    await client.command({
      query: 'CREATE OR REPLACE TABLE kept (v DateTime64(3), f FixedString(2)) ENGINE = Memory',
    })
    const insert = (row: object) =>
      client.insert({
        table: 'kept',
        values: [row],
        format: 'JSONEachRow',
        clickhouse_settings: { date_time_input_format: 'best_effort' },
      })
    await insert({ v: new Date('2021-10-02T03:12:42.123Z'), f: 'ab' })
    expect(await json('SELECT * FROM kept')).toEqual([{ v: '2021-10-02 03:12:42.123', f: 'ab' }])
    await expect(insert({ f: 'ðð' })).rejects.toMatchObject({ type: 'TOO_LARGE_STRING_SIZE' })
  })

  const stream = (text: string) => Readable.from([text], { objectMode: false })
  const custom = { format_custom_escaping_rule: 'CSV', format_custom_field_delimiter: '^' } as const
  describe.runIf(packageName === '@clickhouse/client')('streams', () => {
    test.each<[DataFormat, string, Record<string, string>?]>([
      ['CSV', '42,"foo","[1,2]"\n43,"bar","[3,4]"\n'],
      ['CSVWithNames', '"id","name","sku"\n42,"foo","[1,2]"\n'],
      ['CSVWithNamesAndTypes', '"id","name","sku"\n"UInt64","String","Array(UInt8)"\n42,"foo","[1,2]"\n'],
      ['TabSeparated', '42\tfo\\to\t[1,2]\n'],
      ['TabSeparatedRaw', '42\t\\bfoo\t[1,2]\n'],
      ['TabSeparatedWithNames', 'id\tname\tsku\n42\tfoo\t[1,2]\n'],
      ['TabSeparatedWithNamesAndTypes', 'id\tname\tsku\nUInt64\tString\tArray(UInt8)\n42\tfoo\t[1,2]\n'],
      ['CustomSeparated', '42^"foo"^"[1,2]"\n', custom],
      ['CustomSeparatedWithNames', '"id"^"name"^"sku"\n42^"foo"^"[1,2]"\n', custom],
    ])('%s is taken as a stream and comes back the same', async (format, text, clickhouse_settings = {}) => {
      await client.insert({ table: 't', values: stream(text), format, clickhouse_settings } as never)
      const back = await client.query({ query: 'SELECT * FROM t ORDER BY id', format, clickhouse_settings })
      expect(await back.text()).toBe(text)
    })

    test('a stream of objects, an empty one and one through exec are taken', async () => {
      await client.insert({ table: 't', values: Readable.from(compact), format: 'JSONCompactEachRow' })
      await client.insert({ table: 't', values: Readable.from([]), format: 'JSONCompactEachRow' })
      const { stream: answer } = await client.exec({
        query: 'INSERT INTO t FORMAT CSV',
        values: stream('7,x,"[1]"'),
      })
      answer.resume()
      expect(await json('SELECT count() AS n FROM t', unquoted)).toEqual([{ n: 3 }])
    })

    test('one connection serves one request after the other', async () => {
      const narrow = create(optionsFor(server, { max_open_connections: 1, request_timeout: 5_000 }))
      for (let i = 0; i < 3; i++) await narrow.command({ query: 'SELECT 1 FORMAT CSV' })
      await expect(narrow.command({ query: 'invalid' })).rejects.toMatchObject({ code: '62' })
      const ignored = await narrow.command({ query: 'invalid', ignore_error_response: true })
      expect(ignored.query_id).toBeTruthy()
      await narrow.close()
    })
  })
})
