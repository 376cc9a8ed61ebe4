// What Weir relies on from a ClickHouse behind a URL, as one suite: the embedded server passes it, and so must a real one.
// Only `@clickhouse/client` and plain HTTP are used. Each test has a database of its own.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { describeDeduplication, describeInsertFormats, describeInserts } from './conformance-inserts.js'
import { quoted, type ServerUnderTest, Suite } from './conformance-suite.js'

export function describeConformance(name: string, server: () => ServerUnderTest): void {
  describe(name, () => {
    const suite = new Suite(server)
    beforeAll(() => suite.open())
    afterAll(() => suite.close())
    beforeEach(() => suite.createDatabase())
    afterEach(() => suite.dropDatabase())
    describe('statements', () => describeStatements(suite))
    describe('results', () => describeResults(suite))
    describe('inserts', () => describeInserts(suite))
    describe('formats of inserts', () => describeInsertFormats(suite))
    describe('deduplication', () => describeDeduplication(suite))
    describe('failures', () => describeFailing(suite))
    describe('plain HTTP', () => describePlainHttp(suite))
  })
}

function describeStatements(suite: Suite): void {
  test('ping answers', async () => {
    expect(await suite.client.ping()).toEqual({ success: true })
    expect(await suite.client.ping({ select: true })).toEqual({ success: true })
  })

  test('parameters of every kind reach the statement unharmed', async () => {
    const text = `it's "quoted" \\ back\tslash\n; -- é {x:String}`
    const [row] = await suite.rows<Record<string, unknown>>(
      `SELECT {text:String} AS text, {list:Array(String)} AS list, {big:UInt64} AS big, {day:Date} AS day,
       {at:DateTime64(3, 'UTC')} AS at, {none:Nullable(String)} AS none, {map:Map(String, UInt8)} AS map,
       {money:Decimal(38, 12)} AS money, {yes:Bool} AS yes`,
      {
        text,
        list: ["o'clock", 'b\\c'],
        big: 18446744073709551615n,
        day: '2024-02-29',
        at: new Date('2024-02-29T12:34:56.789Z'),
        none: null,
        map: { a: 1 },
        money: '12345678901234567890123456.123456789012',
        yes: true,
      },
    )
    expect(row).toEqual({
      text,
      list: ["o'clock", 'b\\c'],
      big: '18446744073709551615',
      day: '2024-02-29',
      at: '2024-02-29 12:34:56.789',
      none: null,
      map: { a: 1 },
      money: '12345678901234567890123456.123456789012',
      yes: true,
    })
  })

  test('a setting holds for its own statement and for no later one', async () => {
    const query = `SELECT getSetting('max_block_size')::UInt64 AS size`
    const before = await suite.rows(query)
    const result = await suite.client.query({
      query,
      format: 'JSONEachRow',
      clickhouse_settings: { max_block_size: '77' },
    })
    expect(Number((await result.json<{ size: unknown }>())[0]?.size)).toBe(77)
    expect(await suite.rows(query)).toEqual(before)
  })

  test('the current database is that of the request', async () => {
    expect(await suite.rows('SELECT currentDatabase() AS name')).toEqual([{ name: suite.database }])
  })
}

function describeResults(suite: Suite): void {
  test('a large result arrives complete as a stream', async () => {
    const result = await suite.client.query({
      query: 'SELECT number FROM numbers(300000)',
      format: 'JSONEachRow',
    })
    let count = 0
    let sum = 0
    for await (const rows of result.stream()) {
      for (const row of rows) sum += Number(row.json<{ number: unknown }>().number)
      count += rows.length
    }
    expect([count, sum]).toEqual([300_000, (300_000 * 299_999) / 2])
  })

  test('compression both ways keeps every byte', async () => {
    const packed = suite.connect({ database: suite.database, compression: { request: true, response: true } })
    await packed.command({ query: 'CREATE TABLE t (id UInt32, text String) ENGINE = MergeTree ORDER BY id' })
    const values = Array.from({ length: 5_000 }, (_, id) => ({ id, text: `é${id}`.repeat(5) }))
    await packed.insert({ table: 't', values, format: 'JSONEachRow' })
    for (const format of ['JSONEachRow', 'JSONCompactEachRowWithNames'] as const) {
      const result = await packed.query({ query: 'SELECT id, text FROM t ORDER BY id', format })
      const rows = await result.json<unknown>()
      expect(rows.slice(-5_000)).toEqual(
        format === 'JSONEachRow' ? values : values.map(row => [row.id, row.text]),
      )
    }
    await packed.close()
  })

  test('ten clients at once each get their own answers', async () => {
    await suite.client.command({
      query: 'CREATE TABLE t (id UInt32, c UInt32) ENGINE = MergeTree ORDER BY id',
    })
    const one = async (c: number) => {
      const client = suite.connect({ database: suite.database })
      for (let id = 0; id < 5; id++) {
        await client.insert({ table: 't', values: [{ id, c }], format: 'JSONEachRow' })
        const result = await client.query({
          query: 'SELECT {c:UInt32} AS given, count() AS n FROM t WHERE c = {c:UInt32}',
          query_params: { c },
          format: 'JSONEachRow',
          clickhouse_settings: quoted,
        })
        expect(await result.json()).toEqual([{ given: c, n: `${id + 1}` }])
      }
      await client.close()
    }
    await Promise.all(Array.from({ length: 10 }, (_, c) => one(c)))
    expect(await suite.rows('SELECT count() AS n FROM t')).toEqual([{ n: '50' }])
  })
}

function describeFailing(suite: Suite): void {
  test.each([
    ['SELECT * FROM no_such_table', '60', 'UNKNOWN_TABLE'],
    ['selec 1', '62', 'SYNTAX_ERROR'],
    ['SELECT no_such_column FROM system.one', '47', 'UNKNOWN_IDENTIFIER'],
    ['SELECT no_such_function(1)', '46', 'UNKNOWN_FUNCTION'],
    ['SELECT 1; SELECT 2', '62', 'SYNTAX_ERROR'],
    ['INSERT INTO no_such_table VALUES (1)', '60', 'UNKNOWN_TABLE'],
    ['SELECT throwIf(1)', '395', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO'],
    ['SELECT {missing:String}', '456', 'UNKNOWN_QUERY_PARAMETER'],
  ])('%s fails with code %s', async (query, code, type) => {
    await expect(suite.client.command({ query })).rejects.toMatchObject({ code, type })
  })

  test('an unknown setting and an unknown database are refused', async () => {
    const settings = { no_such_setting: 1 } as Record<string, number>
    await expect(
      suite.client.command({ query: 'SELECT 1', clickhouse_settings: settings }),
    ).rejects.toMatchObject({ code: '115' })
    const lost = suite.connect({ database: 'no_such_database' })
    await expect(lost.command({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '81' })
    await lost.close()
  })

  test('a wrong password is refused with 516', async () => {
    const wrongLogin = suite.connect({ password: 'wrong' })
    await expect(wrongLogin.command({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516' })
    await wrongLogin.close()
  })

  test('a failure in the middle of a stream reaches the reader as an error', async () => {
    const query = 'SELECT throwIf(number = 2000000) AS x FROM numbers(3000000)'
    const read = async () => {
      const result = await suite.client.query({ query, format: 'JSONEachRow' })
      for await (const rows of result.stream()) void rows
    }
    await expect(read()).rejects.toThrow()
  })

  test('readonly and GET change nothing', async () => {
    const query = 'CREATE TABLE t (id UInt8) ENGINE = Memory'
    const readonly = { clickhouse_settings: { readonly: '1' } as const }
    await expect(suite.client.command({ query, ...readonly })).rejects.toMatchObject({ code: '164' })
    const address = new URL(suite.at.url)
    address.search = new URLSearchParams({
      query,
      user: suite.at.user,
      password: suite.at.password,
    }).toString()
    const answer = await fetch(address)
    expect(answer.headers.get('x-clickhouse-exception-code')).toBe('164')
    expect(await answer.text()).toMatch(/^Code: 164\. DB::Exception: /)
  })
}

function describePlainHttp(suite: Suite): void {
  test('plain HTTP gets what ClickHouse answers', async () => {
    const ping = await fetch(new URL('/ping', suite.at.url))
    expect([ping.status, await ping.text()]).toEqual([200, 'Ok.\n'])
    expect(await (await fetch(suite.at.url)).text()).toBe('Ok.\n')
    expect((await fetch(new URL('/nowhere', suite.at.url))).status).toBe(404)
    const joined = await suite.post('SELECT', ' 1, 2')
    expect(await joined.text()).toBe('1\t2\n')
    const named = await suite.post('SELECT 1 AS a', '', { 'X-ClickHouse-Format': 'JSONEachRow' })
    expect([named.headers.get('x-clickhouse-format'), await named.text()]).toEqual([
      'JSONEachRow',
      '{"a":1}\n',
    ])
    expect(named.headers.get('x-clickhouse-timezone')).toBeTruthy()
    expect(named.headers.get('x-clickhouse-query-id')).toBeTruthy()
    expect(JSON.parse(named.headers.get('x-clickhouse-summary') ?? '{}')).toHaveProperty('read_rows')
    const csv = await suite.post('', `SELECT 'a;--b' AS x, 1 AS format FORMAT CSVWithNames -- the end;`)
    expect(await csv.text()).toBe('"x","format"\n"a;--b",1\n')
  })

  test('the statuses are those of ClickHouse', async () => {
    const statusOf = async (query: string) => (await suite.post('', query)).status
    expect(await statusOf('SELECT * FROM nowhere')).toBe(404)
    expect(await statusOf('SELEC')).toBe(400)
    expect(await statusOf('SELECT throwIf(1)')).toBe(500)
    const refused = await suite.post('SELECT 1', '', { 'X-ClickHouse-Key': 'wrong' })
    expect(refused.status).toBe(403)
  })

  test('a packed answer is sent only when both sides agree', async () => {
    const address = new URL(suite.at.url)
    address.search = new URLSearchParams({
      query: 'SELECT number FROM numbers(1000)',
      user: suite.at.user,
      password: suite.at.password,
    }).toString()
    const plain = await fetch(address, { headers: { 'Accept-Encoding': 'gzip' } })
    expect(plain.headers.get('content-encoding')).toBeNull()
    address.searchParams.set('enable_http_compression', '1')
    const packed = await fetch(address, { headers: { 'Accept-Encoding': 'gzip' } })
    expect(packed.headers.get('content-encoding')).toBe('gzip')
    expect(await packed.text()).toBe(await plain.text())
  })

  test('long parameters may come as a form', async () => {
    const text = 'é'.repeat(100_000)
    const result = await suite.client.query({
      query: 'SELECT length({text:String}) AS n',
      query_params: { text },
      use_multipart_params: true,
      format: 'JSONEachRow',
      clickhouse_settings: quoted,
    })
    expect(await result.json()).toEqual([{ n: '200000' }])
  })
}
