// What Weir relies on from a ClickHouse behind a URL, as one suite: the embedded server passes it, and so must a real one.
// Only `@clickhouse/client` and plain HTTP are used. Each test has a database of its own.

import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'

export interface ServerUnderTest {
  readonly url: string
  readonly user: string
  readonly password: string
}

/** JSON with digits that no reader can lose; both servers are asked for it in words. */
const quoted = { output_format_json_quote_64bit_integers: 1, output_format_json_quote_decimals: 1 } as const

export function describeConformance(name: string, server: () => ServerUnderTest): void {
  describe(name, () => {
    const suite = new Suite(server)
    beforeAll(() => suite.open())
    afterAll(() => suite.close())
    beforeEach(() => suite.createDatabase())
    afterEach(() => suite.dropDatabase())
    describeReading(suite)
    describeInserting(suite)
    describeDeduplication(suite)
    describeFailing(suite)
    describePlainHttp(suite)
  })
}

class Suite {
  client!: ClickHouseClient
  database = ''
  private admin!: ClickHouseClient
  private count = 0
  private readonly server: () => ServerUnderTest

  constructor(server: () => ServerUnderTest) {
    this.server = server
  }

  get at(): ServerUnderTest {
    return this.server()
  }

  open(): void {
    this.admin = this.connect({})
  }

  connect(options: Parameters<typeof createClient>[0]): ClickHouseClient {
    const { url, user: username, password } = this.at
    return createClient({ url, username, password, log: { level: ClickHouseLogLevel.OFF }, ...options })
  }

  async createDatabase(): Promise<void> {
    this.database = `conformance_${process.pid}_${this.count++}`
    await this.admin.command({ query: `CREATE DATABASE ${this.database}` })
    this.client = this.connect({ database: this.database })
  }

  async dropDatabase(): Promise<void> {
    await this.client.close()
    await this.admin.command({ query: `DROP DATABASE ${this.database}` })
  }

  close(): Promise<void> {
    return this.admin.close()
  }

  async rows<T>(query: string, params: Record<string, unknown> = {}): Promise<T[]> {
    const result = await this.client.query({
      query,
      query_params: params,
      format: 'JSONEachRow',
      clickhouse_settings: quoted,
    })
    return result.json<T>()
  }

  async post(
    query: string,
    body: string | Buffer = '',
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const address = new URL(this.at.url)
    address.searchParams.set('database', this.database)
    if (query !== '') address.searchParams.set('query', query)
    const key = { 'X-ClickHouse-User': this.at.user, 'X-ClickHouse-Key': this.at.password }
    return fetch(address, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: { ...key, ...headers },
    })
  }
}

function describeReading(suite: Suite): void {
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

  test('the current database is that of the request', async () => {
    expect(await suite.rows('SELECT currentDatabase() AS name')).toEqual([{ name: suite.database }])
  })
}

function describeInserting(suite: Suite): void {
  const create = (columns: string) =>
    suite.client.command({ query: `CREATE TABLE t (${columns}) ENGINE = MergeTree ORDER BY id` })

  test('UInt64 and Decimal(38, 12) come back with every digit', async () => {
    await create('id UInt64, money Decimal(38, 12)')
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
    await create(
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

  test('CSV is taken as text and as a stream', async () => {
    await create('id UInt32, text String')
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
    await create('id UInt64, text String, label LowCardinality(String), share Float64')
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
      await create('id UInt64, text String, money Decimal(38, 12), tags Map(String, String)')
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

  test('rows may stand behind the statement, in the address or come packed', async () => {
    await create('id UInt32, text String')
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
    await create('id UInt32')
    const lines = Array.from({ length: 1_000 }, (_, id) => `${id}\n`).join('')
    const answer = await suite.post('INSERT INTO t FORMAT CSV', `${lines}x\n`)
    expect([answer.status, answer.headers.has('x-clickhouse-exception-code')]).toEqual([400, true])
    expect(await suite.rows('SELECT count() AS n FROM t')).toEqual([{ n: '0' }])
  })
}

function describeDeduplication(suite: Suite): void {
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
    const stranger = suite.connect({ password: 'wrong' })
    await expect(stranger.command({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516' })
    await stranger.close()
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
