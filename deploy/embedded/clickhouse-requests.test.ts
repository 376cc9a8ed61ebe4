// Tests who may ask the embedded ClickHouse and what a request may bring with it: external tables, users and roles, web
// pages.

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EmbeddedClickhouse, spoolFolder, startEmbeddedClickhouse } from './clickhouse-server.js'
import { ask, type Question, type Reply } from './testing/ask.js'

const page = 'https://dashboards.example.com'
let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  server = await startEmbeddedClickhouse({ dataDir, user: 'owner', origins: [page] })
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

describe('requests', () => {
  const form = (parts: Readonly<Record<string, string>>) => {
    const body = Object.entries(parts).map(
      ([name, value]) =>
        `--B\r\nContent-Disposition: form-data; name="${name}"; filename="f"\r\n\r\n${value}\r\n`,
    )
    return {
      headers: { 'Content-Type': 'multipart/form-data; boundary=B' },
      body: `${body.join('')}--B--\r\n`,
    }
  }

  test('external tables are read by the query that brings them, an analyst’s too', async () => {
    for (const asUser of [asOwner, asAnalyst]) {
      const search = {
        a_structure: 'id UInt8, name String',
        b_types: 'UInt8, Decimal(9, 2)',
        b_format: 'CSV',
      }
      const sql = 'SELECT name, _2 FROM a JOIN b ON a.id = b._1 ORDER BY name'
      const answer = await asUser(sql, { ...form({ a: '1\tone\n2\ttwo\n', b: '2,2.50\n1,1.25\n' }), search })
      expect(answer.text).toBe('one\t1.25\ntwo\t2.5\n')
    }
    expect((await asOwner('SELECT * FROM a')).code).toBe(60)
    expect(await readdir(spoolFolder(dataDir))).toEqual([])
  })

  test('an external table that is not described, or is more than columns, is refused', async () => {
    const ask = (search: Readonly<Record<string, string>>) =>
      asAnalyst('SELECT * FROM a', { ...form({ a: '1\n' }), search })
    expect((await ask({})).code).toBe(36)
    for (const a_structure of [
      'id UInt8) ENGINE = Memory AS (SELECT 1',
      "id String DEFAULT file('/etc/passwd')",
      'id UInt8; SELECT 1',
    ])
      expect([a_structure, (await ask({ a_structure })).code]).toEqual([a_structure, 36])
    expect((await ask({ a_structure: 'id UInt8', session_id: 'x' })).code).toBe(48)
    expect(await readdir(spoolFolder(dataDir))).toEqual([])
  })

  test('users and roles are told apart from what is not there', async () => {
    for (const [sql, code] of [
      ["CREATE USER someone IDENTIFIED BY 'x'", 514],
      ['CREATE ROLE reader', 514],
      ['DROP USER analyst', 495],
      ["ALTER USER analyst IDENTIFIED BY 'x'", 495],
      ['GRANT SELECT ON weir.* TO analyst', 495],
    ] as const) {
      const answer = await asOwner(sql)
      expect([sql, answer.code, answer.text]).toEqual([sql, code, expect.stringContaining('clickhouse.url')])
      expect([sql, (await asAnalyst(sql)).code]).toEqual([sql, 497])
    }
    expect((await asOwner('SELECT 1', { search: { role: 'weir' } })).text).toBe('1\n')
    expect((await asAnalyst('SELECT 1', { search: { role: 'weir' } })).code).toBe(512)
    expect((await asOwner('SELECT 1', { search: { role: 'admin' } })).code).toBe(511)
    expect((await asAnalyst('SHOW GRANTS')).text).toContain('GRANT SHOW, SELECT ON weir.* TO analyst\n')
    expect((await asOwner('SHOW GRANTS FORMAT TSV')).text).toMatch(
      /^GRANT CHECK, SHOW, SELECT, INSERT, .* TO weir\n$/,
    )
  })
})

describe('web pages', () => {
  const preflight = (origin: string) =>
    asOwner('', {
      method: 'OPTIONS',
      headers: {
        Origin: origin,
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'authorization,content-type',
        'Access-Control-Request-Private-Network': 'true',
        'Sec-Fetch-Site': 'cross-site',
      },
    })

  test('a page of an origin in the settings may send requests and read the answers', async () => {
    const asked = await preflight(page)
    expect(asked.status).toBe(204)
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': page,
      'access-control-allow-methods': 'GET, POST, OPTIONS',
      'access-control-allow-headers': 'authorization,content-type',
      'access-control-allow-private-network': 'true',
      vary: 'Origin',
    })
    const headers = { Origin: page, 'Sec-Fetch-Site': 'cross-site' }
    const answer = await asAnalyst('SELECT 1', { headers })
    expect([answer.text, answer.headers['access-control-allow-origin']]).toEqual(['1\n', page])
    expect(answer.headers['access-control-expose-headers']).toContain('X-ClickHouse-Summary')
    const failed = await asAnalyst('SELECT nothing', { headers })
    expect([failed.code, failed.headers['access-control-allow-origin']]).toEqual([47, page])
  })

  test('a page of any other origin is refused, and no page may read the answer', async () => {
    for (const origin of ['https://example.com', `${page}.evil.example`, 'null'])
      for (const answer of [
        await preflight(origin),
        await asOwner('SELECT 1', { headers: { Origin: origin, 'Sec-Fetch-Site': 'cross-site' } }),
      ]) {
        expect([origin, answer.code]).toEqual([origin, 497])
        expect(answer.headers['access-control-allow-origin']).toBeUndefined()
      }
    expect((await asOwner('SELECT 1')).headers['access-control-allow-origin']).toBeUndefined()
  })
})
