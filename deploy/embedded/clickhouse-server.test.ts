// Tests the embedded ClickHouse as a process: the conformance suite, its framing, restarts and end.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { builtFile } from '../../schemas/package-root.js'
import { cityHash128 } from './clickhouse/city-hash.js'
import { BlockReader, compressedBlock } from './clickhouse/compressed-blocks.js'
import { contentType } from './clickhouse/formats.js'
import { type EmbeddedClickhouse, spoolFolder, startEmbeddedClickhouse } from './clickhouse-server.js'
import { describeConformance } from './testing/conformance.js'

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

/** The data of a stream of compressed blocks, of which each must bear its checksum. */
async function readBlocks(bytes: Buffer): Promise<{ sizes: number[]; methods: Set<number>; data: Buffer }> {
  const sizes: number[] = []
  const methods = new Set<number>()
  for (let at = 0; at < bytes.length; at += 16 + (sizes.at(-1) ?? 0)) {
    const size = bytes.readUInt32LE(at + 17)
    const block = bytes.subarray(at + 16, at + 16 + size)
    expect(cityHash128(block)).toEqual([bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8)])
    sizes.push(size)
    methods.add(bytes[at + 16] as number)
  }
  // In pieces that end anywhere, as a network cuts them.
  const cuts = Array.from({ length: Math.ceil(bytes.length / 777) }, (_, i) =>
    bytes.subarray(i * 777, i * 777 + 777),
  )
  const data = await Readable.from(cuts).compose(new BlockReader()).toArray()
  return { sizes, methods, data: Buffer.concat(data) }
}

test('compress=1 answers in blocks whose checksums are those of the engine', async () => {
  const client = connect(server.url)
  await client.command({
    query: `CREATE TABLE hashed (id UInt64, text String, small UInt8) ENGINE = MergeTree ORDER BY id
      SETTINGS min_bytes_for_wide_part = 0`,
  })
  await client.command({ query: 'SYSTEM STOP MERGES hashed' }) // the files must stay while they are read
  for (const count of [1, 2, 7, 20, 100, 5_000])
    await client.command({
      query: `INSERT INTO hashed SELECT number, randomPrintableASCII(9), number FROM numbers(${count})`,
    })
  const files = await readdir(join(dataDir, 'engine', 'store'), { recursive: true, withFileTypes: true })
  const written = files.filter(file => file.name.endsWith('.bin'))
  const sizes = new Set<number>()
  for (const file of written)
    for (const size of (await readBlocks(await readFile(join(file.parentPath, file.name)))).sizes)
      sizes.add(size)
  expect(sizes.size).toBeGreaterThan(10) // the hash has a branch for each class of lengths

  const login64 = Buffer.from(`${login.user}:${login.password}`).toString('base64')
  const answer = await fetch(`${server.url}/?query=SELECT+number+FROM+numbers(300000)&compress=1`, {
    headers: { Authorization: `Basic ${login64}` },
  })
  const blocks = await readBlocks(Buffer.from(await answer.arrayBuffer()))
  expect(blocks.methods).toEqual(new Set([0x82])) // JDBC reads no other
  expect(blocks.data.toString().split('\n').length).toBe(300_001)
  await client.close()
})

test('decompress=1 reads the blocks that the engine itself has written, and refuses damaged ones', async () => {
  const client = connect(server.url)
  const columns = 'text FixedString(40) CODEC(LZ4)'
  const wide = 'ENGINE = MergeTree ORDER BY tuple() SETTINGS min_bytes_for_wide_part = 0'
  await client.command({ query: `CREATE TABLE packed (${columns}) ${wide}` })
  // Many matches at many distances, and what does not compress at all.
  await client.command({
    query: `INSERT INTO packed SELECT left(concat(repeat(toString(number % 7), number % 30), randomPrintableASCII(40)), 40)
      FROM numbers(50000)`,
  })
  const sum = async (table: string) =>
    (
      await client.query({ query: `SELECT count(), sum(cityHash64(text)) FROM ${table}`, format: 'CSV' })
    ).text()
  const files = await readdir(join(dataDir, 'engine', 'store'), { recursive: true, withFileTypes: true })
  const found = files.filter(file => file.name === 'text.bin')
  const written = await Promise.all(found.map(file => readFile(join(file.parentPath, file.name))))
  const file = written.sort((a, b) => b.length - a.length)[0] as Buffer
  expect((await readBlocks(file)).data.length).toBe(50_000 * 40)

  await client.command({ query: `CREATE TABLE unpacked (${columns}) ${wide}` })
  const address = new URL(server.url)
  const send = (body: Buffer, query = 'INSERT INTO unpacked FORMAT RowBinary') => {
    address.search = new URLSearchParams({ query, ...login, decompress: '1' }).toString()
    return fetch(address, { method: 'POST', body: new Uint8Array(body) })
  }
  expect(await (await send(file)).text()).toBe('')
  expect(await sum('unpacked')).toBe(await sum('packed'))
  expect(await (await send(compressedBlock(Buffer.from('SELECT 1 + 1')), '')).text()).toBe('2\n')

  const damaged = Buffer.from(file)
  damaged[40] = (damaged[40] as number) ^ 1
  const zstd = compressedBlock(Buffer.from('x'))
  zstd[16] = 0x90
  const [low, high] = cityHash128(zstd.subarray(16))
  zstd.writeBigUInt64LE(low, 0)
  zstd.writeBigUInt64LE(high, 8)
  const refusals = [damaged, file.subarray(0, 999), Buffer.alloc(99, 255), zstd]
  const answers = await Promise.all(refusals.map(body => send(body)))
  const codes = answers.map(answer => answer.headers.get('x-clickhouse-exception-code'))
  expect(codes).toEqual(['40', '33', '271', '89'])
  expect(await sum('unpacked')).toBe(await sum('packed'))
  await client.close()
})

test('the content type of every format is that of the engine', async () => {
  const client = connect(server.url)
  const query = 'SELECT name, content_type FROM system.formats WHERE is_output'
  const formats = await (await client.query({ query, format: 'JSONEachRow' })).json<Record<string, string>>()
  expect(formats.length).toBeGreaterThan(80)
  for (const { name = '', content_type } of formats) {
    expect([name, contentType(name)]).toEqual([name, content_type])
    expect([name, contentType(name.toLowerCase())]).toEqual([name, content_type])
  }
  await client.close()
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
  const rounds = 4
  for (let round = 0; round < rounds; round++) {
    const acknowledged = batch
    for (;;) {
      // After a few answers, somewhere in the life of the next insert.
      if (batch === acknowledged + 3) setTimeout(() => process.kill(victim.pid, 'SIGKILL'), 4 * round)
      const failed = await insert(batch).then(
        () => false,
        () => true,
      )
      if (failed) break
      batch++
    }
    expect(await victim.exited).toEqual({ code: null, signal: 'SIGKILL' })
    expect(batch).toBeGreaterThanOrEqual(acknowledged + 3)
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
  // A process that has ended has no command line, even while nobody has collected it.
  const commandLine = () => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    } catch {
      return ''
    }
  }
  await expect.poll(commandLine, { timeout: 20_000 }).toBe('')
  await rm(folder, { recursive: true, force: true })
})
