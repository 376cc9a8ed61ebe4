import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { builtFile } from '../../schemas/package-root.js'
import { describeConformance } from './clickhouse/conformance.js'
import { type EmbeddedClickhouse, spoolFolder, startEmbeddedClickhouse } from './clickhouse-server.js'

const login = { user: 'weir', password: "p'ass" }
let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  server = await startEmbeddedClickhouse({ dataDir, ...login })
})

afterAll(async () => {
  await server.stop()
  expect(await server.exited).toEqual({ code: 0, signal: null })
  await rm(dataDir, { recursive: true, force: true })
})

describeConformance('the embedded ClickHouse', () => ({ url: server.url, ...login }))

function connect(url: string) {
  return createClient({
    url,
    username: login.user,
    password: login.password,
    log: { level: ClickHouseLogLevel.OFF },
  })
}

test('64-bit integers and decimals are quoted in JSON unless a request asks otherwise', async () => {
  const client = connect(server.url)
  const query = `SELECT toUInt64('18446744073709551615') AS n, toDecimal128('1.5', 12) AS d`
  const row = await (await client.query({ query, format: 'JSONEachRow' })).json()
  expect(row).toEqual([{ n: '18446744073709551615', d: '1.5' }])
  const settings = {
    output_format_json_quote_64bit_integers: 0,
    output_format_json_quote_decimals: 0,
  } as const
  const plain = await client.query({ query, format: 'JSONEachRow', clickhouse_settings: settings })
  expect(await plain.text()).toBe('{"n":18446744073709551615,"d":1.5}\n')
  await client.close()
})

test('block compression and roles are refused in words', async () => {
  const answer = await fetch(`${server.url}/?query=SELECT+1&compress=1&user=weir`)
  expect([answer.status, await answer.text()]).toEqual([501, expect.stringContaining('Accept-Encoding')])
})

test.each([0, 1])('a result that breaks off never looks whole (packed: %i)', async packed => {
  const query = 'SELECT throwIf(number = 2000000) FROM numbers(3000000)'
  const address = new URL(server.url)
  address.search = new URLSearchParams({ query, ...login, enable_http_compression: `${packed}` }).toString()
  const answer = await fetch(address, { headers: { 'Accept-Encoding': 'gzip' } })
  expect(answer.status).toBe(200)
  await expect(answer.text()).rejects.toThrow()
})

test('no spool file outlives its insert', async () => {
  const client = connect(server.url)
  await client.command({ query: 'CREATE TABLE spooled (id UInt32) ENGINE = MergeTree ORDER BY id' })
  await client.insert({ table: 'spooled', values: [{ id: 1 }], format: 'JSONEachRow' })
  await expect(
    client.insert({ table: 'spooled', values: [{ id: 'x' }], format: 'JSONEachRow' }),
  ).rejects.toThrow()
  expect(await readdir(spoolFolder(dataDir))).toEqual([])
  await client.close()
})

test('kill -9 during inserts loses nothing acknowledged and a retried token counts once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  let victim = await startEmbeddedClickhouse({ dataDir: folder, ...login })
  let client = connect(victim.url)
  await client.command({
    query: `CREATE TABLE t (batch UInt32, id UInt32) ENGINE = MergeTree ORDER BY (batch, id)
      SETTINGS non_replicated_deduplication_window = 1000`,
  })
  const rowsPerBatch = 2_000
  const insert = (batch: number) =>
    client.insert({
      table: 't',
      values: Array.from({ length: rowsPerBatch }, (_, id) => ({ batch, id })),
      format: 'JSONEachRow',
      clickhouse_settings: {
        insert_deduplication_token: `batch ${batch}`,
        insert_deduplicate: 1,
        wait_end_of_query: 1,
      },
    })
  let batch = 0
  const rounds = 3
  for (let round = 0; round < rounds; round++) {
    const acknowledged = batch
    const killTimer = setTimeout(() => process.kill(victim.pid, 'SIGKILL'), 60 + 40 * round)
    for (;;) {
      const failed = await insert(batch).then(
        () => false,
        () => true,
      )
      if (failed) break
      batch++
    }
    clearTimeout(killTimer)
    expect(await victim.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(batch).toBeGreaterThan(acknowledged)
    await client.close()
    victim = await startEmbeddedClickhouse({ dataDir: folder, ...login })
    client = connect(victim.url)
    const known = await client.query({
      query: 'SELECT count() AS n FROM t WHERE batch < {b:UInt32}',
      query_params: { b: batch },
      format: 'JSONEachRow',
    })
    expect(await known.json()).toEqual([{ n: `${batch * rowsPerBatch}` }])
    await insert(batch++) // the one without an answer, under the same token
  }
  const result = await client.query({
    query: 'SELECT count() AS n, uniqExact(batch, id) AS distinct, max(batch) AS last FROM t',
    format: 'JSONEachRow',
  })
  const n = `${batch * rowsPerBatch}`
  expect(await result.json()).toEqual([{ n, distinct: n, last: batch - 1 }])
  await client.close()
  await victim.stop()
  await rm(folder, { recursive: true, force: true })
})

test('a start takes the directory over from a stale process', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  const first = await startEmbeddedClickhouse({ dataDir: folder, ...login })
  const client = connect(first.url)
  await client.command({ query: 'CREATE TABLE kept (id UInt32) ENGINE = MergeTree ORDER BY id' })
  await client.insert({ table: 'kept', values: [{ id: 7 }], format: 'JSONEachRow' })
  await client.close()
  const second = await startEmbeddedClickhouse({ dataDir: folder, ...login })
  await first.exited
  const again = connect(second.url)
  expect(await (await again.query({ query: 'SELECT id FROM kept', format: 'JSONEachRow' })).json()).toEqual([
    { id: 7 },
  ])
  await again.close()
  await second.stop()
  await rm(folder, { recursive: true, force: true })
})

test('the server ends with its parent, however that dies', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  const script = `
    import { startEmbeddedClickhouse } from ${JSON.stringify(builtFile('deploy/embedded/clickhouse-server.js').href)}
    const server = await startEmbeddedClickhouse({ dataDir: process.argv[1] })
    process.stdout.write(String(server.pid))`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [pid] = (await once(parent.stdout, 'data')).map(Number)
  parent.kill('SIGKILL')
  await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 20_000 }).toBe(false)
  await rm(folder, { recursive: true, force: true })
})
