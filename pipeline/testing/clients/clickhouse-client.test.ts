// The official JavaScript clients of ClickHouse, @clickhouse/client and @clickhouse/client-web, against the embedded one:
// queries, formats, parameters, settings, errors. The classes are those that their own integration tests exercise.

import { randomUUID } from 'node:crypto'
import type { ClickHouseClient, DataFormat } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Options,
  optionsFor,
  packages,
  type ServedClickhouse,
  serveClickhouse,
  streamed,
} from './clickhouse-clients.js'

let server: ServedClickhouse

beforeAll(async () => {
  server = await serveClickhouse()
})

afterAll(() => server.stop())

const unquoted = { output_format_json_quote_64bit_integers: 0 } as const

describe.each(packages)('$name', ({ name: packageName, create, SettingsMap, TupleParam }) => {
  let client: ClickHouseClient
  const connect = (more: Options = {}) => create(optionsFor(server, more))
  const text = async (query: string, format: DataFormat = 'CSV', settings = {}) =>
    (await client.query({ query, format, clickhouse_settings: settings })).text()

  beforeAll(() => {
    client = connect()
  })
  afterAll(() => client.close())

  const isNode = packageName === '@clickhouse/client'

  test('a ping needs no login, unless it asks for a query; the login of one query may differ', async () => {
    const stranger = connect({ username: 'nobody', password: 'x' })
    // The client for the web pings by a query.
    expect((await stranger.ping()).success).toBe(isNode)
    expect(await stranger.ping({ select: true })).toMatchObject({ success: false, error: { code: '516' } })
    const { user: username, password } = server.login
    const known = await stranger.query({
      query: 'SELECT 1',
      format: 'CSV',
      auth: { username, password },
    })
    expect(await known.text()).toBe('1\n')
    await stranger.close()
  })

  test('a query id comes back, the given one or a new one', async () => {
    const given = randomUUID()
    const one = await client.query({ query: 'SELECT 1', query_id: given })
    expect([one.query_id, one.response_headers['x-clickhouse-query-id']]).toEqual([given, given])
    await one.text()
    const { query_id } = await client.command({ query: 'SELECT 1' })
    expect(query_id).toMatch(/^[0-9a-f-]{36}$/)
  })

  test.each([
    ['comments', 'SELECT 1 -- one; {x:y}\n , /* two\nlines; */ 2', '1,2\n'],
    ['a comment at the end', 'SELECT 1\n-- comment', '1\n'],
    ['semicolons at the end', 'SELECT 1;;;;', '1\n'],
    ['a semicolon in a text', "SELECT ';'", '";"\n'],
    ['no rows', 'SELECT number FROM numbers(0)', ''],
    ['a query in brackets', '(SELECT 1) UNION ALL (SELECT 1)', '1\n1\n'],
    ['WITH', 'WITH 1 AS one SELECT one', '1\n'],
    ['FROM first', 'FROM numbers(2) SELECT number', '0\n1\n'],
    ['settings of its own', 'SELECT number FROM numbers(9) SETTINGS limit = 1', '0\n'],
    ['EXISTS', 'EXISTS TABLE system.one', '1\n'],
    ['DESCRIBE', 'DESCRIBE TABLE system.one', '"dummy","UInt8","","","","",""\n'],
    ['lower case', 'select 1 as a from system.one', '1\n'],
  ])('a statement may have %s', async (_what, query, expected) => {
    expect(await text(query)).toBe(expected)
  })

  test('the database is that of the client', async () => {
    const other = connect({ database: 'system' })
    const found = await other.query({ query: 'SELECT currentDatabase() FROM one', format: 'CSV' })
    expect(await found.text()).toBe('"system"\n')
    await other.close()
  })

  test('a JSON document tells columns, rows, the limit and statistics', async () => {
    const result = await client.query({ query: 'SELECT number FROM system.numbers LIMIT 3', format: 'JSON' })
    expect(await result.json()).toEqual({
      data: [{ number: '0' }, { number: '1' }, { number: '2' }],
      meta: [{ name: 'number', type: 'UInt64' }],
      rows: 3,
      rows_before_limit_at_least: 3,
      statistics: {
        elapsed: expect.any(Number),
        rows_read: expect.any(Number),
        bytes_read: expect.any(Number),
      },
    })
  })

  test('totals come with the rows', async () => {
    const query = `SELECT number % 2 AS odd, count() AS n FROM numbers(5) GROUP BY odd WITH TOTALS ORDER BY odd`
    const result = await client.query({ query, format: 'JSON', clickhouse_settings: unquoted })
    expect(await result.json()).toMatchObject({
      data: [
        { odd: 0, n: 3 },
        { odd: 1, n: 2 },
      ],
      totals: { odd: 0, n: 5 },
    })
  })

  test.each<[DataFormat, unknown]>([
    ['JSON', { data: [], totals: { odd: 0, n: '0' } }],
    ['JSONStrings', { data: [], totals: { odd: '0', n: '0' } }],
    ['JSONCompact', { data: [], totals: [0, '0'] }],
    ['JSONColumnsWithMetadata', { data: {}, totals: { odd: 0, n: '0' } }],
  ])('totals of no rows are in their place in %s', async (format, expected) => {
    const query = 'SELECT number % 2 AS odd, count() AS n FROM numbers(0) GROUP BY odd WITH TOTALS'
    const result = await client.query({ query, format })
    expect(await result.json()).toMatchObject({ ...(expected as object), rows: 0 })
  })

  const ab = "SELECT toInt32(number) AS a, concat('b', toString(number)) AS b FROM numbers(2)"
  const compact = [
    [0, 'b0'],
    [1, 'b1'],
  ]
  const strings = compact.map(row => row.map(String))
  const names = ['a', 'b']
  const types = ['Int32', 'String']
  const objects = compact.map(([a, b]) => ({ a, b }))

  test.each<[DataFormat, unknown]>([
    ['JSONEachRow', objects],
    ['JSONStringsEachRow', objects.map(({ a, b }) => ({ a: `${a}`, b }))],
    ['JSONCompactEachRow', compact],
    ['JSONCompactStringsEachRow', strings],
    ['JSONCompactEachRowWithNames', [names, ...compact]],
    ['JSONCompactEachRowWithNamesAndTypes', [names, types, ...compact]],
    ['JSONCompactStringsEachRowWithNames', [names, ...strings]],
    ['JSONCompactStringsEachRowWithNamesAndTypes', [names, types, ...strings]],
  ])('%s is read whole and as a stream', async (format, expected) => {
    expect(await (await client.query({ query: ab, format })).json()).toEqual(expected)
    const result = await client.query({ query: ab, format })
    expect(await streamed(result.stream() as never)).toEqual(expected)
  })

  test.each<[DataFormat, unknown]>([
    ['JSONStrings', { data: objects.map(({ a, b }) => ({ a: `${a}`, b })) }],
    ['JSONCompact', { data: compact }],
    ['JSONCompactStrings', { data: strings }],
    ['JSONColumnsWithMetadata', { data: { a: [0, 1], b: ['b0', 'b1'] } }],
    ['JSONObjectEachRow', { row_1: objects[0], row_2: objects[1] }],
  ])('%s is read', async (format, expected) => {
    expect(await (await client.query({ query: ab, format })).json()).toMatchObject(expected as object)
  })

  test.each<[DataFormat, string, string]>([
    ['CSV', '0,"b0"\n1,"b1"\n', 'text/csv; charset=UTF-8; header=absent'],
    ['CSVWithNames', '"a","b"\n0,"b0"\n1,"b1"\n', 'text/csv; charset=UTF-8; header=present'],
    ['TabSeparated', '0\tb0\n1\tb1\n', 'text/tab-separated-values; charset=UTF-8'],
    ['TabSeparatedRaw', '0\tb0\n1\tb1\n', 'text/tab-separated-values; charset=UTF-8'],
    [
      'TabSeparatedWithNamesAndTypes',
      'a\tb\nInt32\tString\n0\tb0\n1\tb1\n',
      'text/tab-separated-values; charset=UTF-8',
    ],
    ['CustomSeparated', '0\tb0\n1\tb1\n', 'text/plain; charset=UTF-8'],
    ['JSONEachRow', '{"a":0,"b":"b0"}\n{"a":1,"b":"b1"}\n', 'application/x-ndjson; charset=UTF-8'],
  ])('%s has its text and its content type', async (format, expected, type) => {
    const result = await client.query({ query: ab, format })
    expect([result.response_headers['content-type'], await result.text()]).toEqual([type, expected])
  })

  test('a long result is whole, packed or not, however its rows are cut', async () => {
    for (const response of [false, true]) {
      const one = connect({ compression: { response } })
      const query = "SELECT number AS n, repeat('é', number % 3000) AS text FROM numbers(20000)"
      const result = await one.query({ query, format: 'JSONEachRow', clickhouse_settings: unquoted })
      const rows = await streamed<{ n: number; text: string }>(result.stream() as never)
      expect(rows.length).toBe(20_000)
      expect(rows.every(({ n, text }, i) => n === i && text.length === i % 3000)).toBe(true)
      await one.close()
    }
  })

  test('parameters of every kind come back as they were given', async () => {
    const cases: [string, unknown, unknown][] = [
      ['Boolean', true, true],
      ['Int32', -7, -7],
      ['String', "o'clock\t\n\\ é 𝓯", "o'clock\t\n\\ é 𝓯"],
      ['Nullable(String)', null, null],
      ['Array(Nullable(String))', ['a', null], ['a', null]],
      ['Array(Array(UInt8))', [[1], [2, 3]], [[1], [2, 3]]],
      ['Map(String, Array(UInt8))', { a: [1, 2] }, { a: [1, 2] }],
      ['Tuple(UInt8, String)', new TupleParam([1, 'b']), [1, 'b']],
      ["DateTime('UTC')", new Date('2026-01-02T03:04:05Z'), '2026-01-02 03:04:05'],
      ["DateTime64(3, 'UTC')", new Date('2026-01-02T03:04:05.678Z'), '2026-01-02 03:04:05.678'],
      ["Enum8('a' = 1, 'b' = 2)", 'b', 'b'],
      ['UUID', '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '61f0c404-5cb3-11e7-907b-a6006ad3dba0'],
    ]
    const query = `SELECT ${cases.map(([type], i) => `{p${i}:${type}} AS p${i}`).join(', ')}`
    const query_params = Object.fromEntries(cases.map(([, value], i) => [`p${i}`, value]))
    const expected = [cases.map(([, , value]) => value)]
    for (const use_multipart_params of [false, true]) {
      const result = await client.query({
        query,
        query_params,
        use_multipart_params,
        format: 'JSONCompactEachRow',
      })
      expect(await result.json()).toEqual(expected)
    }
    const named = {
      query: 'SELECT {c:Identifier} FROM system.{t:Identifier} LIMIT 1',
      query_params: { c: 'number', t: 'numbers' },
    }
    expect(await (await client.query({ ...named, format: 'CSV' })).text()).toBe('0\n')
  })

  test('settings reach the query, also those with names and maps for values', async () => {
    const settings = {
      ...{ date_time_output_format: 'iso', distinct_overflow_mode: 'break', join_algorithm: 'hash' },
      ...{
        load_balancing: 'round_robin',
        output_format_parquet_version: '2.6',
        totals_mode: 'after_having_inclusive',
      },
      ...{ union_default_mode: 'ALL', send_logs_level: 'fatal', short_circuit_function_evaluation: 'enable' },
      ...{ distributed_ddl_output_mode: 'none', mysql_datatypes_support_level: 'decimal' },
    }
    const asked = Object.keys(settings).map(name => `toString(getSetting('${name}')) AS ${name}`)
    const query = `SELECT ${asked.join(', ')}`
    expect(JSON.parse(await text(query, 'JSONEachRow', settings))).toEqual(settings)
    const additional_table_filters = SettingsMap.from({ 'system.numbers': 'number != 3' })
    const filtered = await text('SELECT * FROM system.numbers LIMIT 4', 'CSV', { additional_table_filters })
    expect(filtered).toBe('0\n1\n2\n4\n')
  })

  test.each([
    ['SELECT number FR', '47', 'UNKNOWN_IDENTIFIER', 'Unknown expression identifier `number` in scope'],
    [
      'SELECT * FROM unknown_table',
      '60',
      'UNKNOWN_TABLE',
      "Unknown table expression identifier 'unknown_table'",
    ],
    ['SELECT * FRON unknown_table', '62', 'SYNTAX_ERROR', 'Syntax error: failed at position'],
    ['foobar', '62', 'SYNTAX_ERROR', 'Syntax error: failed at position 1'],
    ['SELECT toUInt8({missing:String})', '456', 'UNKNOWN_QUERY_PARAMETER', '`missing` is not set'],
    ['SELECT cutToFirstSignificantSubdomain(1)', '43', 'ILLEGAL_TYPE_OF_ARGUMENT', 'Illegal type'],
    ["SELECT toDate('x')", '38', 'CANNOT_PARSE_DATE', 'Cannot parse'],
  ])('%s is told with its code', async (query, code, type, message) => {
    const failed = client.query({ query })
    await expect(failed).rejects.toMatchObject({ code, type, message: expect.stringContaining(message) })
  })

  test('an error after the first rows reaches the reader with its code', async () => {
    const query = `SELECT toInt32(number) AS n, throwIf(number = 9000, 'boom') AS e FROM numbers(100000)`
    const settings = { max_block_size: '1000' }
    const result = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
    await expect(streamed(result.stream() as never)).rejects.toMatchObject({
      code: '395',
      message: expect.stringContaining("boom: while executing 'FUNCTION throwIf"),
    })
  })

  test('a session keeps its temporary tables, of the client or of one request, and no other sees them', async () => {
    const session_id = randomUUID()
    const inSession = connect({ session_id })
    await inSession.command({ query: 'CREATE TEMPORARY TABLE kept (id Int32)' })
    await inSession.insert({ table: 'kept', values: [{ id: 1 }], format: 'JSONEachRow' })
    await client.command({ query: 'INSERT INTO kept VALUES (2)', session_id })
    const rows = await inSession.query({ query: 'SELECT id FROM kept ORDER BY id', format: 'CSV' })
    expect(await rows.text()).toBe('1\n2\n')
    await expect(client.query({ query: 'SELECT id FROM kept' })).rejects.toMatchObject({ code: '60' })
    await inSession.close()
  })

  test('an aborted query ends for its client alone', async () => {
    const controller = new AbortController()
    const query = 'SELECT sleepEachRow(1) FROM numbers(3)'
    const aborted = client.query({ query, format: 'CSV', abort_signal: controller.signal })
    const others = Promise.all([1, 2, 3].map(n => text(`SELECT ${n}`)))
    controller.abort()
    await expect(aborted).rejects.toThrow(/abort/i)
    expect(await others).toEqual(['1\n', '2\n', '3\n'])
  })

  test('what answers no rows has the headers of its format, and a summary', async () => {
    const { response_headers, summary } = await client.command({ query: 'SELECT 42 FORMAT TSV' })
    expect(response_headers['content-type']).toBe('text/tab-separated-values; charset=UTF-8')
    // The client for the web does not read the summary.
    const figures = ['read_rows', 'read_bytes', 'written_rows', 'result_rows', 'elapsed_ns']
    if (isNode) expect(Object.keys(summary ?? {})).toEqual(expect.arrayContaining(figures))
  })
})
