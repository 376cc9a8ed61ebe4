// The layers of the configuration; every fault is reported with its origin.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { erpSettings } from '../postings/settings.js'
import { sections } from '../settings.js'
import { describeProblem, loadConfig, sectionOf, type WeirConfig } from './config.js'

const dir = mkdtempSync(join(tmpdir(), 'weir-config-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

let files = 0
function yaml(text: string): string {
  files += 1
  const file = join(dir, `weir-${files}.yaml`)
  writeFileSync(file, text)
  return file
}

function config(sources: Partial<Parameters<typeof loadConfig>[0]>): WeirConfig {
  const loaded = loadConfig({ sections, env: {}, ...sources })
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(describeProblem).join('\n'))
  return loaded.config
}

function problems(sources: Partial<Parameters<typeof loadConfig>[0]>) {
  const loaded = loadConfig({ sections, env: {}, ...sources })
  if (loaded.kind === 'ok') throw new Error('it was taken')
  return loaded.problems
}

test('without anything there are defaults', () => {
  const made = config({})
  expect(made.dataDir).toBe(resolve('weir-data'))
  expect(made).toMatchObject({
    nats: {
      url: undefined,
      replicas: 1,
      bulk: 'sockets',
      websocketPort: undefined,
      websocketOrigins: [],
    },
    clickhouse: { user: undefined, password: undefined, database: 'weir', origins: [] },
    http: { host: '127.0.0.1', port: 8080, auth: 'keys' },
    partitions: 4,
    dedupeHorizonDays: 35,
    parkedTtlDays: 7,
    commit: { maxEvents: 50_000, lingerMs: 200 },
    catalog: [],
    logLevel: 'info',
  })
  expect(made.workers).toBeGreaterThanOrEqual(1)
})

test('an origin of web pages is a scheme, a host and perhaps a port', () => {
  const origins = (list: string) => ({
    env: { WEIR_NATS_WEBSOCKET_PORT: '9222', WEIR_NATS_WEBSOCKET_ORIGINS: list },
  })
  const { websocketPort, websocketOrigins } = config(origins('https://a.example,http://b:8080')).nats
  expect([websocketPort, websocketOrigins]).toEqual([9222, ['https://a.example', 'http://b:8080']])
  for (const wrong of ['a.example', 'https://a.example/page', '*'])
    expect(problems(origins(wrong))).toMatchObject([
      { path: 'nats.websocket_origins.0', code: 'invalid_value' },
    ])
})

test('one NATS server, several with commas, and a list come to the same', () => {
  const urls = ['nats://a:4222', 'tls://b']
  expect(config({ env: { WEIR_NATS_URL: 'nats://a:4222, tls://b' } }).nats.url).toEqual(urls)
  expect(config({ file: yaml('nats:\n  url: [nats://a:4222, "tls://b"]\n') }).nats.url).toEqual(urls)
  expect(config({ file: yaml('nats:\n  url: nats://a:4222,tls://b\n  replicas: 3\n') }).nats).toMatchObject({
    url: urls,
    replicas: 3,
  })
  expect(config({ file: yaml('nats:\n  url: a\n') }).nats.url).toEqual(['a'])
})

test('what only servers of one’s own can do, and what no server can, is refused', () => {
  const found = (text: string) =>
    problems({ file: yaml(text) }).map(({ path, message }) => `${path} ${message}`)
  expect(found('nats:\n  replicas: 3\n')).toEqual([expect.stringMatching(/^nats.replicas .*set nats.url/)])
  expect(found('nats:\n  url: a\n  replicas: 2\n')).toEqual([
    expect.stringMatching(/^nats.replicas is 1, 3 or 5/),
  ])
  expect(found('nats:\n  url: ws://a\n')).toEqual([expect.stringMatching(/^nats.url.* is nats:/)])
  expect(found('nats:\n  url: nats://me:pw@a\n')).toEqual([expect.stringMatching(/no credentials here/)])
  expect(found('nats:\n  url: a\n  cert: c.pem\n')).toEqual([
    expect.stringMatching(/^nats.cert .*belong together/),
  ])
})

test('file, variables and flags override each other in this order', () => {
  const file = yaml('http:\n  port: 1001\n  host: 0.0.0.0\npartitions: 6\nworkers: 2\n')
  const env = { WEIR_HTTP_PORT: '1002', WEIR_WORKERS: '3' }
  expect(config({ file }).http).toEqual({ host: '0.0.0.0', port: 1001, auth: 'keys' })
  expect(config({ file, env }).http.port).toBe(1002)
  const made = config({ file, env, flags: { 'http.port': 1003, 'http.host': undefined } })
  expect(made.http).toMatchObject({ port: 1003, host: '0.0.0.0' })
  expect(made).toMatchObject({ partitions: 6, workers: 3 })
})

test('the variable WEIR_CONFIG names the file, an empty variable sets nothing', () => {
  const file = yaml('partitions: 2\n')
  expect(config({ env: { WEIR_CONFIG: file, WEIR_PARTITIONS: '' } }).partitions).toBe(2)
})

test('paths in a file are relative to it, others to the working directory', () => {
  const file = yaml('data_dir: state\ncatalog: [a.yaml, /abs/b.yaml]\nerp: { csv_dir: out }\n')
  const made = config({ file })
  expect(made.dataDir).toBe(join(dir, 'state'))
  expect(made.catalog).toEqual([join(dir, 'a.yaml'), '/abs/b.yaml'])
  expect(sectionOf(made, erpSettings).csv_dir).toBe(join(dir, 'out'))
  expect(config({ env: { WEIR_DATA_DIR: 'here', WEIR_CATALOG: 'x.yaml, y.yaml' } })).toMatchObject({
    dataDir: resolve('here'),
    catalog: [resolve('x.yaml'), resolve('y.yaml')],
  })
})

test('every problem is reported with its line', () => {
  const file = yaml(
    'partitions: many\nhttp:\n  prt: 8080\n  port: 70000\nnats:\n  replicas: 0\ndedupe_horizon_days: 7\ncolour: red\n',
  )
  const found = problems({ file })
  expect(found.map(({ line, path, code }) => [line, path, code])).toEqual(
    expect.arrayContaining([
      [1, 'partitions', 'wrong_type'],
      [3, 'http.prt', 'unknown_key'],
      [4, 'http.port', 'invalid_value'],
      [6, 'nats.replicas', 'invalid_value'],
      [7, 'dedupe_horizon_days', 'invalid_value'],
      [8, 'colour', 'unknown_key'],
    ]),
  )
  expect(found).toHaveLength(6)
  expect(found.every(problem => problem.file === file)).toBe(true)
  expect(describeProblem(found.find(({ path }) => path === 'http.port')!)).toMatch(
    /weir-\d+\.yaml:4: http\.port: /,
  )
})

test('a value in the file that a variable overrides is not blamed on the file', () => {
  const file = yaml('http:\n  port: 8080\n')
  const [problem] = problems({ file, env: { WEIR_HTTP_PORT: 'eighty' } })
  expect(problem).toMatchObject({ path: 'http.port', code: 'wrong_type' })
  expect(problem).not.toHaveProperty('line')
  expect(describeProblem(problem!)).toContain('(from WEIR_HTTP_PORT)')
})

test('a misspelt setting is told what it may have been', () => {
  const file = yaml('linger-ms: 10\n')
  expect(describeProblem(problems({ file })[0]!)).toContain('the nearest is commit.linger_ms.')
})

test('a file that is missing, broken, twice the same or no map is a problem, not a crash', () => {
  expect(problems({ file: join(dir, 'nowhere.yaml') })[0]).toMatchObject({ code: 'file_unreadable' })
  expect(problems({ file: yaml('a: [1\nb: 2\n') })[0]).toMatchObject({ code: 'malformed_yaml' })
  expect(problems({ file: yaml('partitions: 1\npartitions: 2\n') })[0]).toMatchObject({
    code: 'malformed_yaml',
    line: 2,
  })
  expect(problems({ file: yaml('- 1\n') })[0]).toMatchObject({ code: 'not_a_map', line: 1 })
  expect(config({ file: yaml('# nothing\n') }).partitions).toBe(4)
})

test('an unknown flag is a problem', () => {
  expect(problems({ flags: { 'http.prot': 1 } })[0]).toMatchObject({ path: 'http.prot', code: 'unknown_key' })
})

test('there are no more workers than partitions', () => {
  expect(config({ env: { WEIR_PARTITIONS: '2', WEIR_WORKERS: '9' } }).workers).toBe(2)
})

test('origins of web pages are origins, and the engine cannot do with less than a gibibyte', () => {
  const origins = ['https://a.example', 'http://b.example:8080']
  const file = yaml(`clickhouse:\n  origins: ${JSON.stringify(origins)}\n  max_memory_bytes: 2147483648\n`)
  expect(config({ file }).clickhouse).toMatchObject({ origins, maxMemoryBytes: 2 ** 31 })
  for (const wrong of ['origins: ["*"]', 'origins: [https://a.example/]', 'max_memory_bytes: 1000'])
    expect([wrong, problems({ file: yaml(`clickhouse:\n  ${wrong}\n`) }).length]).toEqual([wrong, 1])
})
