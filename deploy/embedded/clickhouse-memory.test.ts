// Tests what becomes of queries that would take all memory: they are refused, the process lives, and inserts go on
// beside them. The engine of this file may take as little as is possible.

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { leastEngineBytes, memoryLimits } from './clickhouse/memory.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from './clickhouse-server.js'
import { ask } from './testing/ask.js'

let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-clickhouse-'))
  server = await startEmbeddedClickhouse({ dataDir, maxMemoryBytes: leastEngineBytes })
  for (const sql of ['CREATE DATABASE weir', 'CREATE TABLE weir.t (n UInt64) ENGINE = MergeTree ORDER BY n'])
    expect(await ask(server.url, sql, server.login)).toMatchObject({ status: 200 })
})

afterAll(async () => {
  await server?.stop()
  expect(await server?.exited).toEqual({ code: 0, signal: null })
  await rm(dataDir, { recursive: true, force: true })
})

/** Nothing goes on on disk, and no statement has a limit of its own that it need not have. */
const noSpill = { max_bytes_ratio_before_external_sort: '0', max_bytes_ratio_before_external_group_by: '0' }
const unlimited = {
  ...noSpill,
  max_bytes_before_external_sort: '0',
  max_bytes_before_external_group_by: '0',
  max_memory_usage: '0',
}
const { analyst: analystLimit, spill, wholeResult } = memoryLimits(leastEngineBytes)
const widest = {
  ...noSpill,
  max_bytes_before_external_sort: `${spill.max}`,
  max_bytes_before_external_group_by: `${spill.max}`,
  max_memory_usage: `${spill.max}`,
}
const greedy = {
  'one huge array': 'SELECT length(groupArray(number)) FROM numbers(1000000000)',
  'a huge hash table': 'SELECT count() FROM (SELECT number FROM numbers(1000000000) GROUP BY number)',
  'a huge sort':
    'SELECT max(n) FROM (SELECT sipHash64(number) AS n FROM numbers(1000000000) ORDER BY n LIMIT 900000000)',
  'a huge join':
    "SELECT count() FROM numbers(10) AS a JOIN (SELECT number, repeat(toString(number), 90) AS t FROM numbers(100000000)) AS b USING number WHERE b.t != ''",
}

/** Inserts rows until `work` ends; resolves with how many rows there are then, which must all have been taken. */
async function insertingMeanwhile(work: () => Promise<void>): Promise<number> {
  let isWorking = true
  let inserted = 0
  const inserting = (async () => {
    while (isWorking || inserted === 0) {
      const rows = Array.from({ length: 1_000 }, (_, n) => n).join('\n')
      const answer = await ask(server.url, 'INSERT INTO weir.t FORMAT TSV', { ...server.login, body: rows })
      expect([answer.status, answer.text]).toEqual([200, ''])
      inserted += 1_000
    }
  })()
  await Promise.all([
    work().finally(() => {
      isWorking = false
    }),
    inserting,
  ])
  return inserted
}

function peakBytes(): number {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024
}

test('queries that would take all memory are refused with 241, by whichever limit, while inserts go on', async () => {
  const before = Number((await ask(server.url, 'SELECT count() FROM weir.t', server.login)).text)
  const inserted = await insertingMeanwhile(async () => {
    for (const [what, sql] of Object.entries(greedy)) {
      const ours = ask(server.url, sql, { ...server.login, search: unlimited })
      const analyst = ask(server.url, sql, { ...server.analyst, search: widest })
      const codes = (await Promise.all([ours, analyst])).map(({ code }) => code)
      expect([what, ...codes]).toEqual([what, 241, 241])
    }
  })
  const after = Number((await ask(server.url, 'SELECT count() FROM weir.t', server.login)).text)
  expect(after - before).toBe(inserted)
  expect(peakBytes()).toBeLessThan(2.5 * leastEngineBytes)
}, 240_000)

test('no request lifts the limits that hold for everybody together', async () => {
  for (const name of [
    'max_memory_usage_for_user',
    'memory_overcommit_ratio_denominator_for_user',
    'max_untracked_memory',
  ]) {
    const answer = await ask(server.url, `SELECT 1 SETTINGS ${name} = 4194303`, server.analyst)
    expect([name, answer.code]).toEqual([name, 452])
  }
  const most = (bytes: number) =>
    ask(server.url, 'SELECT 1', { ...server.analyst, search: { max_memory_usage: `${bytes}` } })
  expect([(await most(analystLimit.max)).code, (await most(analystLimit.max + 1)).code]).toEqual([0, 452])
})

test('a result that cannot be sent in pieces is bounded, and one that can is not', async () => {
  const rows = wholeResult / 8 + 100_000
  const sql = `SELECT number FROM numbers(${rows})`
  expect((await ask(server.url, `${sql} FORMAT JSONCompactColumns`, server.login)).code).toBe(396)
  expect((await ask(server.url, `${sql} FORMAT RowBinary`, server.login)).bytes.length).toBe(rows * 8)
})

test('the limits grow with the memory, and parts never exceed the whole', () => {
  for (const engine of [1, 2, 12, 512].map(gibibytes => gibibytes * 2 ** 30)) {
    const limits = memoryLimits(engine)
    expect(limits.engine).toBe(engine)
    expect(limits.statements).toBeLessThan(limits.engine)
    expect(limits.ours).toBeLessThan(limits.statements)
    expect(limits.analyst.value).toBeLessThanOrEqual(limits.analyst.max)
    expect(6 * limits.analyst.max).toBeLessThan(limits.statements)
    expect(limits.spill.value).toBeLessThanOrEqual(limits.analyst.value / 2)
  }
  expect(memoryLimits(5).engine).toBe(leastEngineBytes)
  expect(memoryLimits().engine).toBeGreaterThanOrEqual(leastEngineBytes)
})
