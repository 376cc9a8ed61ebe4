// Hostile neighbours: whoever shares the machine with a Weir, or shows a web page to a user on it, cannot use
// its ClickHouse. Runs a real server on loopback, as a user starts it.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { spoolFolder } from '../../../deploy/embedded/clickhouse-server.js'

const generousMs = 300_000
const marker = 'what-nobody-may-read'

let weir: SupervisedWeir
let secret: string
let out: string

beforeAll(async () => {
  weir = await SupervisedWeir.start()
  await weir.ready()
  secret = join(weir.dataDir, 'secret.txt')
  out = join(weir.dataDir, 'written.csv')
  writeFileSync(secret, marker)
}, generousMs)

afterAll(async () => {
  await weir?.stop()
}, generousMs)

interface Answer {
  readonly status: number
  readonly code: string
  readonly text: string
}

interface Question {
  readonly as?: 'weir' | 'analyst' | 'nobody'
  readonly method?: string
  readonly search?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly path?: string
}

/** Plain HTTP, because `fetch` does not let a caller set Host or Origin. */
function ask(sql: string, { as = 'analyst', method = 'POST', search, headers, path = '/' }: Question = {}) {
  const url = new URL(path, weir.clickhouse.url)
  for (const [name, value] of Object.entries(search ?? {})) url.searchParams.set(name, value)
  if (method === 'GET' && sql !== '') url.searchParams.set('query', sql)
  const login = as === 'nobody' ? undefined : weir.clickhouseAs(as)
  const keys =
    login === undefined ? {} : { 'X-ClickHouse-User': login.user, 'X-ClickHouse-Key': login.password }
  return new Promise<Answer>((resolve, reject) => {
    const sent = request(url, { method, headers: { ...keys, ...headers } }, response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject)
      response.on('end', () => {
        const code = String(response.headers['x-clickhouse-exception-code'] ?? '')
        resolve({ status: response.statusCode ?? 0, code, text: Buffer.concat(parts).toString() })
      })
    })
    sent.on('error', reject).end(method === 'POST' ? sql : undefined)
  })
}

test('passwords and configurations are for their owner alone, and so is the state directory', () => {
  const modeOf = (path: string) => (statSync(join(weir.dataDir, path)).mode & 0o777).toString(8)
  for (const folder of ['', 'nats', 'clickhouse', 'nats/passwords', 'clickhouse/passwords'])
    expect([folder, modeOf(folder)]).toEqual([folder, '700'])
  const secrets = ['weir.json', 'api-key', 'nats/nats-server.conf', 'clickhouse/engine-users.xml']
  for (const server of ['nats', 'clickhouse'])
    for (const user of readdirSync(join(weir.dataDir, server, 'passwords')))
      secrets.push(`${server}/passwords/${user}`)
  expect(secrets).toHaveLength(9)
  for (const file of secrets) expect([file, modeOf(file)]).toEqual([file, '600'])
})

test('no password is in the arguments or the environment of a process, nor in a log', () => {
  const { pid, nats_pid, clickhouse_pid } = weir.instance!
  const texts = [pid, nats_pid, clickhouse_pid].flatMap(id => [
    readFileSync(`/proc/${id}/cmdline`, 'utf8'),
    readFileSync(`/proc/${id}/environ`, 'utf8'),
  ])
  texts.push(weir.log(10_000), readFileSync(join(weir.dataDir, 'nats/nats-server.log'), 'utf8'))
  texts.push(readFileSync(join(weir.dataDir, 'clickhouse/clickhouse.log'), 'utf8'))
  const passwords = [weir.clickhouse.password, weir.clickhouseAs('analyst').password, weir.nats.pass!]
  for (const password of passwords) {
    expect(password.length).toBeGreaterThan(30)
    expect(texts.filter(text => text.includes(password))).toEqual([])
  }
})

test('nobody is let in without the password, by any of the ways to give one', async () => {
  const { password } = weir.clickhouseAs('analyst')
  const basic = (user: string, key: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${key}`).toString('base64')}`,
  })
  const one = 'SELECT 1'
  const wrong: Question[] = [
    {},
    { search: { user: 'default', password: '' } },
    { search: { user: 'analyst', password: 'x' } },
    { search: { user: 'weir', password } },
    { headers: basic('analyst', '') },
    { headers: basic('default', '') },
    { headers: { 'X-ClickHouse-User': 'analyst' } },
    { headers: { 'X-ClickHouse-User': 'weir', 'X-ClickHouse-Key': password } },
  ]
  for (const method of ['GET', 'POST'])
    for (const question of wrong)
      expect(await ask(one, { ...question, method, as: 'nobody' })).toMatchObject({
        status: 403,
        code: '516',
      })
  const right: Question[] = [
    { search: { user: 'analyst', password } },
    { headers: basic('analyst', password) },
    { headers: { 'X-ClickHouse-User': 'analyst', 'X-ClickHouse-Key': password } },
  ]
  for (const question of right)
    expect(await ask(one, { ...question, as: 'nobody' })).toMatchObject({ status: 200, text: '1\n' })
})

test('a web page is refused, whatever it knows: its Origin, its Host or its browser tells', async () => {
  const pages: Record<string, string>[] = [
    { host: 'rebound.example' },
    { host: 'rebound.example:8123' },
    { host: '127.0.0.1.rebound.example' },
    { host: 'localhost.rebound.example' },
    { origin: 'https://page.example' },
    { origin: 'null' },
    { origin: 'http://localhost.page.example' },
    { 'sec-fetch-site': 'cross-site' },
  ]
  for (const headers of pages) {
    for (const path of ['/', '/ping'])
      expect(await ask('SELECT 1', { headers, path })).toMatchObject({ status: 403, code: '497' })
  }
  for (const headers of [{ host: 'localhost:1' }, { host: '[::1]:1' }, { origin: 'http://localhost:3000' }])
    expect(await ask('SELECT 1', { headers })).toMatchObject({ status: 200 })
})

test('only our own user is told the folder of rows, and may name a file in it', async () => {
  const folder = async (as: 'weir' | 'analyst' | 'nobody') => {
    const { user, password } = as === 'nobody' ? { user: 'x', password: 'x' } : weir.clickhouseAs(as)
    const headers = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password }
    return (await fetch(`${weir.clickhouse.url}/ping`, { headers })).headers.get('x-weir-rows-folder')
  }
  expect(await folder('weir')).not.toBeNull()
  expect(await folder('analyst')).toBeNull()
  expect(await folder('nobody')).toBeNull()
  const sql = 'INSERT INTO weir.fx_rates FORMAT CSV'
  for (const name of ['../secret.txt', secret, '..%2fsecret.txt', 'a/../../secret.txt', ''])
    expect((await ask(sql, { as: 'weir', search: { weir_rows_file: name || '.' } })).code).toBe('76')
  expect((await ask(sql, { as: 'analyst', search: { weir_rows_file: 'x' } })).code).toBe('497')
})

test('the analyst reads everything of ours, and what a schema browser asks', async () => {
  for (const sql of [
    'SELECT count() FROM weir.rated_usage',
    'SELECT * FROM weir.mrr_by_month',
    'SHOW DATABASES',
    'SHOW TABLES FROM weir',
    'DESCRIBE TABLE weir.charges',
    'SHOW CREATE TABLE weir.charges',
    'EXPLAIN SELECT count() FROM weir.charges',
    "SELECT name, type FROM system.columns WHERE database = 'weir'",
    "SELECT name, engine, total_rows FROM system.tables WHERE database = 'weir'",
    'SELECT * FROM information_schema.tables',
    'SELECT name FROM system.functions',
    "WITH x AS (SELECT * FROM numbers(3)) SELECT 'file', sum(number) AS file FROM x",
    "SELECT 'INTO OUTFILE', 'from infile' -- into outfile 'x'",
    'SELECT 1 SETTINGS max_execution_time = 5',
  ]) {
    for (const method of ['POST', 'GET'])
      expect(await ask(sql, { method }), sql).toMatchObject({ status: 200 })
  }
})

test('the analyst changes nothing and takes no more than its share', async () => {
  const refused = [
    'INSERT INTO weir.fx_rates SELECT * FROM weir.fx_rates',
    "INSERT INTO weir.fx_rates FORMAT CSV\n'a'",
    'CREATE TABLE weir.mine (a Int8) ENGINE = Memory',
    'CREATE TEMPORARY TABLE mine (a Int8)',
    'CREATE VIEW weir.mine AS SELECT 1',
    'CREATE DATABASE mine',
    'CREATE FUNCTION mine AS x -> x',
    'CREATE USER mine',
    'DROP TABLE weir.rated_usage',
    'DROP VIEW weir.mrr_by_month',
    'TRUNCATE TABLE weir.charges',
    'ALTER TABLE weir.charges DELETE WHERE 1',
    'DELETE FROM weir.charges WHERE 1',
    'OPTIMIZE TABLE weir.charges FINAL',
    'RENAME TABLE weir.charges TO weir.gone',
    'KILL MUTATION WHERE 1',
    'SYSTEM SHUTDOWN',
    'SYSTEM STOP MERGES',
    'SET ROLE weir',
    'SET ROLE ALL',
    'SET DEFAULT ROLE weir TO default',
    "SET profile = 'default'",
    "SELECT 1 SETTINGS profile = 'default'",
    "SELECT * FROM (SELECT 1 SETTINGS max_threads = 1, profile = 'default')",
    'GRANT weir TO default',
    'EXECUTE AS weir SELECT 1',
    'SELECT 1 PARALLEL WITH SELECT 2',
  ]
  for (const sql of refused) expect([sql, (await ask(sql)).code]).toEqual([sql, '497'])
  for (const search of [{ profile: 'default' }, { readonly: '0', profile: 'weir' }])
    expect((await ask('SELECT 1', { search })).code).toBe('497')
  expect((await ask('INSERT INTO weir.fx_rates SELECT 1', { search: { readonly: '0' } })).code).toBe('497')
  for (const [name, value] of [
    ['max_execution_time', '0'],
    ['max_execution_time', '100000'],
    ['max_memory_usage', '0'],
    ['max_result_bytes', '0'],
  ] as const) {
    expect((await ask(`SELECT 1 SETTINGS ${name} = ${value}`)).code).toBe('452')
    expect((await ask('SELECT 1', { search: { [name]: value } })).code).toBe('452')
  }
})

const outward = (path: string): string[] => [
  `SELECT file('${path}')`,
  `SELECT * FROM file('${path}', 'LineAsString')`,
  `SELECT * FROM weir.charges WHERE 1 IN (SELECT length(line) FROM file('${path}', 'LineAsString', 'line String'))`,
  `SELECT (SELECT file('${path}'))`,
  `WITH (SELECT file('${path}')) AS x SELECT x`,
  `SELECT * APPLY(file) FROM values('x String', '${path}')`,
  `SELECT arrayMap(file, ['${path}'])`,
  `SELECT arrayMap(x -> file(x), ['${path}'])`,
  `SELECT * FROM viewExplain('EXPLAIN', '', (SELECT file('${path}')))`,
  `EXPLAIN SELECT file('${path}')`,
  `EXPLAIN ESTIMATE SELECT * FROM file('${path}', 'LineAsString')`,
  `DESCRIBE TABLE file('${path}', 'CSV')`,
  `SELECT * FROM merge(currentDatabase(), '.*') WHERE _table = file('${path}')`,
  `SELECT 1 UNION ALL SELECT length(file('${path}'))`,
  `SELECT * FROM url('file://${path}', 'LineAsString')`,
  `SELECT * FROM fileCluster('default', '${path}', 'LineAsString')`,
  `SELECT * FROM filesystem('${path}')`,
  `SELECT * FROM eval('SELECT file(\\'${path}\\')') SETTINGS allow_experimental_eval_table_function = 1`,
  `SELECT * FROM executable('cat', 'LineAsString', 'line String')`,
  `SELECT * FROM sqlite('${path}', 'x')`,
  `SELECT * FROM python('${path}')`,
  `SELECT * FROM icebergLocal('${path}')`,
  `SELECT * FROM deltaLakeLocal('${path}')`,
  `SELECT * FROM remote('127.0.0.1', system.one)`,
  `SELECT * FROM cluster('default', system.one)`,
  `SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')`,
  `SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')`,
  `SELECT * FROM mongodb('mongodb://127.0.0.1:1/a', 'b', 'x Int8')`,
  `SELECT * FROM redis('127.0.0.1:1', 'x', 'x String')`,
  `SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV')`,
  `SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')`,
  `SELECT * FROM azureBlobStorage('http://127.0.0.1:1', 'a', 'b')`,
  `SELECT * FROM iceberg('http://127.0.0.1:1/x')`,
  `SELECT * FROM jdbc('a', 'b', 'c')`,
  `SELECT * FROM dictionary('x')`,
  `SELECT catboostEvaluate('${path}', 1)`,
  `SELECT 1 FORMAT Template SETTINGS format_template_row = '${path}'`,
  `SELECT 1 FORMAT Template SETTINGS format_template_resultset = '${path}'`,
  `SELECT 1 FORMAT Protobuf SETTINGS format_schema = '${path}:A'`,
  `SELECT 1 FORMAT ProtobufSingle SETTINGS output_format_schema = '${path}'`,
  `SELECT 1 SETTINGS dialect = 'prql'`,
]

const writing = (path: string): string[] => [
  `SELECT 1 INTO OUTFILE '${path}'`,
  `SELECT 1 INTO OUTFILE '${path}' TRUNCATE FORMAT CSV`,
  `WITH 1 AS x SELECT x INTO OUTFILE '${path}' AND STDOUT`,
  `(SELECT 1) UNION ALL (SELECT 2) INTO OUTFILE '${path}'`,
  `EXPLAIN SELECT 1 INTO OUTFILE '${path}'`,
  `SHOW TABLES INTO OUTFILE '${path}'`,
  `DESCRIBE TABLE weir.charges INTO OUTFILE '${path}'`,
  `INSERT INTO FUNCTION file('${path}', 'CSV', 'a Int8') SELECT 1`,
  `INSERT INTO TABLE FUNCTION file('${path}', 'CSV', 'a Int8') VALUES (1)`,
  `INSERT INTO FUNCTION file('${path}', 'CSV', 'a Int8') FORMAT CSV\n1`,
  `INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a Int8') SELECT 1`,
  `INSERT INTO weir.fx_rates FROM INFILE '${path}' FORMAT CSV`,
  `INSERT INTO weir.fx_rates FROM INFILE '${path}' COMPRESSION 'none' SETTINGS max_threads = 1 FORMAT CSV`,
  `CREATE TABLE weir.x (a String) ENGINE = File(CSV, '${path}')`,
  `CREATE TABLE weir.x (a String) ENGINE = File(CSV)`,
  `CREATE TABLE weir.x (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)`,
  `CREATE TABLE weir.x (a String) ENGINE = S3('http://127.0.0.1:1/x', 'CSV')`,
  `CREATE TABLE weir.x (a String) ENGINE = Distributed('default', 'weir', 'charges')`,
  `CREATE TABLE weir.x (a String) ENGINE = SQLite('${path}', 'x')`,
  `CREATE TABLE weir.x (a String) ENGINE = FileLog('${path}', 'CSV')`,
  `CREATE TABLE weir.x (a String) ENGINE = Executable('cat', 'CSV')`,
  `CREATE TABLE weir.x (a UInt64, b String) ENGINE = EmbeddedRocksDB(0, '${path}') PRIMARY KEY a`,
  `CREATE TABLE weir.x (a Int8) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local, path = '${path}')`,
  `CREATE TABLE weir.x AS file('${path}', 'CSV', 'a String')`,
  `CREATE TABLE weir.x ENGINE = MergeTree ORDER BY 1 AS SELECT * FROM file('${path}', 'LineAsString')`,
  `CREATE VIEW weir.x AS SELECT file('${path}')`,
  `CREATE MATERIALIZED VIEW weir.x ENGINE = Memory AS SELECT file('${path}')`,
  `CREATE DATABASE x ENGINE = Filesystem('/')`,
  `CREATE DATABASE x ENGINE = SQLite('${path}')`,
  `CREATE DATABASE x ENGINE = MySQL('127.0.0.1:1', 'a', 'b', 'c')`,
  `CREATE DICTIONARY weir.x (a UInt64) PRIMARY KEY a SOURCE(FILE(path '${path}' format 'CSV')) LAYOUT(FLAT()) LIFETIME(0)`,
  `CREATE FUNCTION x AS p -> file(p)`,
  `CREATE NAMED COLLECTION x AS url = 'http://127.0.0.1:1'`,
  `ATTACH TABLE weir.x FROM '${path}' (a String) ENGINE = File(CSV)`,
  `ATTACH TABLE weir.x (a String) ENGINE = MergeTree ORDER BY a`,
  `ATTACH DATABASE x`,
  `BACKUP TABLE weir.charges TO File('${path}')`,
  `RESTORE TABLE weir.charges FROM File('${path}')`,
  `ALTER TABLE weir.charges FREEZE`,
  'SYSTEM SHUTDOWN',
  'SYSTEM KILL',
  'SYSTEM RELOAD CONFIG',
  'SYSTEM DROP FILESYSTEM CACHE',
]

/** What ClickHouse says of things that a user may not do, or that do not exist. */
const refusals = new Set(['497', '452', '164', '358', '78', '46', '62', '516'])

test('neither user reaches a file, a program or the network, by any statement, with POST or GET', async () => {
  for (const as of ['weir', 'analyst'] as const) {
    for (const method of ['POST', 'GET']) {
      for (const sql of [...outward(secret), ...writing(out)]) {
        const answer = await ask(sql, { as, method })
        expect([as, method, sql, refusals.has(answer.code) || answer.text]).toEqual([as, method, sql, true])
        expect(answer.text).not.toContain(marker)
      }
    }
  }
  expect(existsSync(out)).toBe(false)
  expect((await ask('SELECT 1')).text).toBe('1\n')
})

test('settings that read or write files are nobody’s to change, in the address either', async () => {
  for (const as of ['weir', 'analyst'] as const) {
    for (const name of [
      'format_template_row',
      'format_schema',
      'output_format_schema',
      'dialect',
      'url_base',
    ]) {
      const answer = await ask('SELECT 1 FORMAT Template', {
        as,
        search: { [name]: name === 'dialect' ? 'prql' : secret },
      })
      expect([name, answer.code]).toEqual([name, '452'])
    }
  }
})

/** One spelling of a function's name among those that the engine reads as that name. */
const spelling = (name: string) =>
  fc.oneof(
    fc.constant(name),
    fc.constant(`\`${name}\``),
    fc.constant(`"${name}"`),
    fc.constant(`“${name}”`),
    fc.nat(name.length - 1).map(at => {
      const hex = name.charCodeAt(at).toString(16)
      return `\`${name.slice(0, at)}\\x${hex}${name.slice(at + 1)}\``
    }),
  )
const gap = fc
  .array(
    fc.constantFrom(
      ' ',
      '\n',
      '\t',
      '\0',
      '/**/',
      "/* ' */",
      '/* " */',
      "-- '\n",
      '# `\n',
      '#!"\n',
      '\u00a0',
      '\u2003',
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map(parts => parts.join(''))
/** What might make a reader believe that a string, a comment or a here-document has begun. */
const decoy = fc.constantFrom(
  '',
  "'\\'' , ",
  "'''', ",
  'a$$, ',
  '$x$ $x$, ',
  "'/*', ",
  "'--', ",
  '1 AS `"`, ',
  "'\\\\', ",
  "$$ ' $$, ",
)
const anyCase = (word: string) =>
  fc
    .array(fc.boolean(), { minLength: word.length, maxLength: word.length })
    .map(flags => [...word].map((letter, at) => (flags[at] ? letter.toLowerCase() : letter)).join(''))

test(
  'no spelling of file() or INTO OUTFILE gets through',
  async () => {
    const reading = fc
      .tuple(spelling('file'), gap, decoy, gap)
      .map(([name, space, before, after]) => `SELECT${after} ${before}${name}${space}('${secret}')`)
    const sourcing = fc
      .tuple(spelling('file'), gap, gap)
      .map(([name, space, from]) => `SELECT * FROM${from} ${name}${space}('${secret}', 'LineAsString')`)
    const writingOut = fc
      .tuple(anyCase('INTO'), gap, anyCase('OUTFILE'), gap, decoy)
      .map(([into, one, outfile, two, before]) => `SELECT ${before}1 ${into}${one}${outfile}${two}'${out}'`)
    const joined = fc
      .tuple(decoy, gap)
      .map(([before, space]) => `SELECT ${before}1;${space}SET ROLE weir; SELECT file('${secret}') ${before}`)
    const attack = fc.oneof(reading, sourcing, writingOut, joined)
    await fc.assert(
      fc.asyncProperty(attack, fc.constantFrom('weir' as const, 'analyst' as const), async (sql, as) => {
        const answer = await ask(sql, { as })
        expect(answer.status).not.toBe(200)
        expect(answer.text).not.toContain(marker)
        expect(existsSync(out)).toBe(false)
      }),
      { numRuns: 300 },
    )
  },
  generousMs,
)

test(
  'questions of analysts that take long hold up neither our own nor an insert',
  async () => {
    const long = 'SELECT sleepEachRow(1) FROM numbers(8) SETTINGS max_block_size = 1'
    let answered = 0
    const crowd = Array.from({ length: 12 }, () => ask(long).then(() => (answered += 1)))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await ask('SELECT 1', { as: 'weir' })).toMatchObject({ status: 200 })
    const insert = "INSERT INTO weir.schema_migrations (name) SELECT 'x' WHERE 0"
    expect(await ask(insert, { as: 'weir' })).toMatchObject({ status: 200 })
    expect(answered).toBe(0)
    await Promise.all(crowd)
  },
  generousMs,
)

/** Each takes a while before its first row, and no time limit ends it meanwhile. */
const slowBeginnings = [
  'SELECT length(range(100000000))',
  'SELECT length(arraySort(x -> sipHash64(x), range(3000000)))',
  'SELECT length(arrayMap(x -> sipHash128(toString(x)), range(2000000))) FROM weir.charges',
]

test(
  'what an analyst asks for holds up no other answer before its first row',
  async () => {
    for (const sql of slowBeginnings) {
      let isDone = false
      const slow = ask(sql).finally(() => {
        isDone = true
      })
      let answered = 0
      while (!isDone) {
        await ask('', { as: 'nobody', method: 'GET', path: '/ping' })
        answered += isDone ? 0 : 1
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      expect([sql, (await slow).status]).toEqual([sql, 200])
      expect(answered, sql).toBeGreaterThan(3)
    }
  },
  generousMs,
)

test('no table of the engine starts a program, by its name or by a parameter', async () => {
  const named = ['system.models', '`system`.`models`', '"system" . models', 'system.`\\x6dodels`']
  for (const table of named)
    expect([table, (await ask(`SELECT * FROM ${table}`)).code]).toEqual([table, '497'])
  const search = { param_d: 'system', param_t: 'models' }
  for (const table of ['{d:Identifier}.{t:Identifier}', 'system.{t:Identifier}', '{d:Identifier}.models'])
    expect([table, (await ask(`SELECT * FROM ${table}`, { search })).code]).toEqual([table, '497'])
  expect((await ask('SELECT * FROM models', { search: { database: 'system' } })).status).not.toBe(200)
})

test('canary: the words of the attacks are found where they are said, not where they are quoted', async () => {
  const text = "SELECT 'file(1) into outfile', `t`.x AS y FROM (SELECT 1 AS x) AS t -- file(1)"
  expect(await ask(text)).toMatchObject({ status: 200 })
  expect(readFileSync(secret, 'utf8')).toBe(marker) // it was there to be read all the time
  expect(existsSync(spoolFolder(join(weir.dataDir, 'clickhouse')))).toBe(true)
})
