// Tests how a query of the embedded ClickHouse lives: its id, its end before its time, its session, what is told of it
// while it runs, and its error.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unpackBlock } from './clickhouse/compressed-blocks.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from './clickhouse-server.js'
import { ask, type Question, type Reply } from './testing/ask.js'

let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  server = await startEmbeddedClickhouse({ dataDir, user: 'owner' })
  for (const sql of ['CREATE DATABASE weir', 'CREATE TABLE weir.t (n UInt32) ENGINE = MergeTree ORDER BY n'])
    expect(await asOwner(sql)).toMatchObject({ status: 200 })
})

afterAll(async () => {
  await server?.stop()
  expect(await server?.exited).toEqual({ code: 0, signal: null })
  await rm(dataDir, { recursive: true, force: true })
})

function asOwner(sql: string, question: Partial<Question> = {}): Promise<Reply> {
  return ask(server.url, sql, { ...server.login, ...question })
}

function asAnalyst(sql: string, question: Partial<Question> = {}): Promise<Reply> {
  return ask(server.url, sql, { ...server.analyst, ...question })
}

/** Runs for as long as nobody stops it, or a minute. */
const endless = 'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 3'

function begin(queryId: string, sql = endless, question: Partial<Question> = {}): Promise<Reply> {
  return asOwner(sql, { ...question, search: { query_id: queryId, ...question.search } })
}

async function runs(queryId: string): Promise<boolean> {
  const { text } = await asOwner(`SELECT count() FROM system.processes WHERE query_id = '${queryId}'`)
  return text.trim() === '1'
}

async function untilRuns(queryId: string, isRunning = true): Promise<void> {
  await expect.poll(() => runs(queryId), { timeout: 20_000 }).toBe(isRunning)
}

describe('ids and ends of queries', () => {
  test('the id of a request is in the list of processes with the name of its user, and KILL QUERY stops it', async () => {
    const running = begin('to-kill')
    await untilRuns('to-kill')
    const list = await asOwner('SHOW PROCESSLIST FORMAT JSONEachRow')
    const row = list.text.split('\n').find(line => line.includes('to-kill')) ?? '{}'
    expect(JSON.parse(row)).toMatchObject({ query_id: 'to-kill', user: 'owner', query: endless })
    expect(row).not.toContain('query_cache_tag')
    const test = await asOwner("KILL QUERY WHERE query_id = 'to-kill' TEST FORMAT JSONCompactEachRow")
    expect(JSON.parse(test.text)).toEqual(['unknown_status', 'to-kill', 'owner', endless])
    expect(await runs('to-kill')).toBe(true)
    const killed = await asOwner('KILL QUERY WHERE query_id = {id:String} SYNC FORMAT JSON', {
      search: { param_id: 'to-kill' },
    })
    expect(killed.headers['x-clickhouse-format']).toBe('JSON')
    expect(JSON.parse(killed.text).data).toEqual([
      { kill_status: 'finished', query_id: 'to-kill', user: 'owner', query: endless },
    ])
    expect(await runs('to-kill')).toBe(false)
    const answer = await running
    expect([answer.code, answer.headers['x-clickhouse-query-id']]).toEqual([394, 'to-kill'])
    const none = await asOwner("KILL QUERY WHERE query_id = 'to-kill'")
    expect([none.status, none.text]).toEqual([200, ''])
  })

  test('KILL without SYNC does not wait, and stops an INSERT … SELECT, which leaves no row', async () => {
    const running = begin(
      'insert',
      `INSERT INTO weir.t SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) = 3`,
    )
    await untilRuns('insert')
    expect((await asOwner("KILL QUERY WHERE query_id = 'insert'")).text).toMatch(/^waiting\tinsert\towner\t/)
    expect((await running).code).toBe(394)
    expect((await asOwner('SELECT count() FROM weir.t')).text).toBe('0\n')
  })

  test('an analyst stops own queries and nobody else’s', async () => {
    const ours = begin('ours')
    const own = asAnalyst(endless, { search: { query_id: 'own' } })
    await untilRuns('ours')
    await untilRuns('own')
    const refused = await asAnalyst("KILL QUERY WHERE query_id = 'ours'")
    expect([refused.code, refused.text]).toEqual([497, expect.stringContaining('stop the query of owner')])
    expect((await asAnalyst('KILL QUERY WHERE 1 SYNC')).text).toMatch(/^finished\town\tanalyst\t.*\n$/)
    expect((await own).code).toBe(394)
    expect(await runs('ours')).toBe(true)
    expect((await asAnalyst("KILL MUTATION WHERE mutation_id = 'x'")).code).toBe(497)
    await asOwner("KILL QUERY WHERE query_id = 'ours' SYNC")
    await ours
  })

  test('an id that runs is refused a second time, unless the request replaces it', async () => {
    const running = begin('twice')
    await untilRuns('twice')
    expect((await begin('twice', 'SELECT 1')).code).toBe(216)
    const replacing = begin('twice', 'SELECT 2', { search: { replace_running_query: '1' } })
    expect((await replacing).text).toBe('2\n')
    expect((await running).code).toBe(394)
  })

  test('a query ends with its client, in pieces too, unless the client wants it to go on', async () => {
    const gone = new AbortController()
    const parts = endless.replace('count()', 'number')
    const settings = { cancel_http_readonly_queries_on_client_close: '0' }
    const queries = [
      begin('left-whole', `${endless} FORMAT JSON`, { signal: gone.signal }),
      begin('left-pieces', parts, { signal: gone.signal }),
      begin('goes-on', endless, { signal: gone.signal, search: settings }),
    ]
    const settled = Promise.allSettled(queries)
    for (const id of ['left-whole', 'left-pieces', 'goes-on']) await untilRuns(id)
    gone.abort()
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    await untilRuns('left-whole', false)
    await untilRuns('left-pieces', false)
    expect(await runs('goes-on')).toBe(true)
    await asOwner("KILL QUERY WHERE query_id = 'goes-on' SYNC")
  })

  test('an INSERT … SELECT whose client goes away is done to its end', async () => {
    await asOwner('CREATE TABLE weir.slow (n UInt32) ENGINE = MergeTree ORDER BY n')
    const gone = new AbortController()
    const slow = 'SELECT number FROM numbers(4) WHERE sleepEachRow(0.5) = 0 SETTINGS max_block_size = 1'
    const inserting = begin('insert-left', `INSERT INTO weir.slow ${slow}`, { signal: gone.signal })
    await untilRuns('insert-left')
    gone.abort()
    await expect(inserting).rejects.toThrow()
    await untilRuns('insert-left', false)
    expect((await asOwner('SELECT count() FROM weir.slow')).text).toBe('4\n')
  })

  test('max_execution_time holds for a whole result, for one in pieces and for an insert', async () => {
    const search = { max_execution_time: '1' }
    for (const sql of [
      `${endless} FORMAT JSON`,
      endless.replace('count()', 'number'),
      `INSERT INTO weir.t ${endless}`,
    ])
      expect([sql, (await asOwner(sql, { search })).code]).toEqual([sql, 159])
  })
})

describe('sessions', () => {
  const session = (id: string, more: Readonly<Record<string, string>> = {}) => ({
    search: { session_id: id, ...more },
  })

  test('a session keeps temporary tables, USE and SET, and what a request says for itself ends with it', async () => {
    const own = session('s1')
    expect((await asOwner('CREATE TEMPORARY TABLE numbers_here (n UInt8)', own)).status).toBe(200)
    await asOwner('INSERT INTO numbers_here VALUES (1), (2)', own)
    await asOwner('INSERT INTO numbers_here FORMAT CSV', { ...own, body: '3\n' })
    expect((await asOwner('SELECT sum(n) FROM numbers_here', own)).text).toBe('6\n')
    expect((await asOwner('SELECT sum(n) FROM numbers_here')).code).toBe(60)
    expect((await asOwner('SELECT sum(n) FROM numbers_here', session('s2'))).code).toBe(60)
    await asOwner('USE weir', own)
    await asOwner('SET max_threads = 3', own)
    const asked = "SELECT currentDatabase(), getSetting('max_threads'), getSetting('max_block_size')"
    const passing = session('s1', { database: 'default', max_threads: '1', max_block_size: '77' })
    expect((await asOwner(asked, passing)).text).toBe('default\t1\t77\n')
    expect((await asOwner(asked, own)).text).toBe('weir\t3\t65409\n')
    expect((await asOwner('SELECT count() FROM numbers(3)', { ...own, method: 'GET' })).text).toBe('3\n')
    expect((await asOwner('INSERT INTO numbers_here VALUES (4)', own)).status).toBe(200)
    expect(
      (await asOwner('INSERT INTO numbers_here VALUES (5)', session('s1', { readonly: '1' }))).code,
    ).toBe(164)
    expect((await asOwner('SELECT 1 SETTINGS max_threads = 1', session('s1', { readonly: '1' }))).code).toBe(
      164,
    )
    expect((await asOwner('SELECT sum(n) FROM numbers_here', session('s1', { readonly: '1' }))).text).toBe(
      '10\n',
    )
  })

  test('an analyst has sessions with SET and USE, and tables only if granted', async () => {
    await asAnalyst('USE weir', session('a1'))
    await asAnalyst('SET max_threads = 2', session('a1'))
    const asked = "SELECT currentDatabase(), getSetting('max_threads')"
    expect((await asAnalyst(asked, session('a1'))).text).toBe('weir\t2\n')
    expect((await asOwner(asked, session('a1'))).text).not.toBe('weir\t2\n') // ids are each user's own
    expect((await asAnalyst('SET max_execution_time = 100000', session('a1'))).code).toBe(452)
    expect((await asAnalyst('SET readonly = 0', session('a1'))).code).toBe(164)
    expect((await asAnalyst('SET ROLE weir', session('a1'))).code).toBe(497)
    expect((await asAnalyst('CREATE TEMPORARY TABLE x (n UInt8)', session('a1'))).code).toBe(497)
  })

  test('a session is used by one request at a time, and a query of it is killed like any other', async () => {
    const running = begin('in-session', endless, session('busy', { query_id: 'in-session' }))
    await untilRuns('in-session')
    const refused = await asOwner('SELECT 1', session('busy'))
    expect([refused.code, refused.text]).toEqual([
      373,
      expect.stringContaining('is locked by a concurrent client'),
    ])
    await asOwner("KILL QUERY WHERE query_id = 'in-session' SYNC")
    expect((await running).code).toBe(394)
    expect((await asOwner('SELECT 1', session('busy', { session_check: '1' }))).text).toBe('1\n')
  })

  test('session_check, session_timeout and close_session are those of ClickHouse', async () => {
    expect((await asOwner('SELECT 1', session('none', { session_check: '1' }))).code).toBe(372)
    expect((await asOwner('SELECT 1', session('long', { session_timeout: '3601' }))).code).toBe(374)
    expect((await asOwner('SELECT 1', session('bad', { session_timeout: 'soon' }))).code).toBe(374)
    expect((await asOwner('SELECT 1', session(''))).code).toBe(701)
    expect((await asOwner('SELECT 1', session('closed', { close_session: '1' }))).status).toBe(200)
    expect((await asOwner('SELECT 1', session('closed', { session_check: '1' }))).code).toBe(372)
    await asOwner('SELECT 1', session('short', { session_timeout: '0' }))
    const again = () => asOwner('SELECT 1', session('short', { session_check: '1', session_timeout: '0' }))
    await expect.poll(async () => (await again()).code).toBe(372)
  })
})

describe('answers', () => {
  test('what conditions met is not kept for other questions, which lost rows in releases of ClickHouse', async () => {
    const sql = "SELECT value FROM system.settings WHERE name = 'use_query_condition_cache'"
    expect((await asOwner(sql)).text.trim()).toBe('0')
    expect((await asAnalyst("SELECT getSetting('use_query_condition_cache')")).text.trim()).toMatch(
      /^(0|false)$/,
    )
  })

  test('a change that names a format says so in its header', async () => {
    const { headers } = await asOwner('CREATE TABLE weir.named (n UInt8) ENGINE = Memory FORMAT JSONCompact')
    expect(headers['x-clickhouse-format']).toBe('JSONCompact')
    expect(headers['content-type']).toBe('application/json; charset=UTF-8')
  })

  test('an error is packed as the result would have been', async () => {
    const headers = { 'Accept-Encoding': 'gzip' }
    const packed = await asOwner('SELECT nothing', { headers, search: { enable_http_compression: '1' } })
    expect([packed.status, packed.headers['content-encoding']]).toEqual([404, 'gzip'])
    expect(gunzipSync(packed.bytes).toString()).toMatch(/^Code: 47\. DB::Exception: .*\(UNKNOWN_IDENTIFIER\)/)
    const blocks = await asOwner('SELECT nothing', { search: { compress: '1' } })
    expect(unpackBlock(blocks.bytes).toString()).toMatch(/^Code: 47\./)
    expect((await asOwner('SELECT nothing', { headers })).text).toMatch(/^Code: 47\./)
  })

  test('progress comes in the head of the answer while the query runs, before the result and before an error', async () => {
    const search = { send_progress_in_http_headers: '1', http_headers_progress_interval_ms: '100' }
    const slow = 'SELECT sleepEachRow(0.1), number FROM numbers(10)'
    const settings = 'SETTINGS max_block_size = 1'
    const lines = ({ rawHeaders }: Reply) =>
      rawHeaders.flatMap((name, index) =>
        index % 2 === 0 && name === 'X-ClickHouse-Progress' ? [JSON.parse(rawHeaders[index + 1] ?? '')] : [],
      )
    const whole = await asOwner(`${slow} FORMAT JSON ${settings}`, { search })
    expect(JSON.parse(whole.text).rows).toBe(10)
    expect(lines(whole).length).toBeGreaterThan(2)
    expect(lines(whole)[0]).toMatchObject({ total_rows_to_read: '10', result_rows: '0' })
    expect(whole.headers['content-type']).toBe('application/json; charset=UTF-8')
    expect(whole.headers['x-clickhouse-summary']).toBeDefined()
    const failing = await asOwner(`SELECT throwIf(number = 9), ${slow.slice(7)} FORMAT JSON ${settings}`, {
      search,
    })
    expect(lines(failing).length).toBeGreaterThan(0)
    expect([failing.status, failing.code]).toEqual([200, 395])
    expect(failing.text).toMatch(/^Code: 395\./)
    const fast = await asOwner('SELECT 1', { search })
    expect([lines(fast).length, fast.text, fast.headers.connection]).toEqual([0, '1\n', 'keep-alive'])
  })

  test('JSONEachRowWithProgress tells rows and progress', async () => {
    const client = createClient({
      url: server.url,
      username: server.login.user,
      password: server.login.password,
    })
    const format = 'JSONEachRowWithProgress'
    const results = await client.query({ query: 'SELECT number AS n FROM numbers(2)', format })
    const lines = (await results.json<{ n: string }>()) as object[]
    expect(lines).toContainEqual({ row: { n: '0' } })
    expect(lines.some(line => 'progress' in line)).toBe(true)
    await client.close()
  })
})
