// Clients of ClickHouse that do not run here, against the embedded ClickHouse with Weir's own tables: the requests that they
// send, recorded from them (Cube, knex) or made from their public sources, and what they expect of the answers
// (`recorded/<client>.json`).

import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createClient } from '@clickhouse/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beginWithSchema } from '../../../bench/measure/schema-template.js'
import { BlockReader } from '../../../deploy/embedded/clickhouse/compressed-blocks.js'
import {
  type EmbeddedClickhouse,
  startEmbeddedClickhouse,
} from '../../../deploy/embedded/clickhouse-server.js'
import { migrate } from '../../../sinks/clickhouse/migrate.js'
import { type Answer, readJsonDocument, readJsonLines, readNative, readRowBinary } from './read-answer.js'

interface Exchange {
  readonly claim: string
  /** `given`: the request itself has it, with `{user}` and `{password}` of the reader. */
  readonly login: 'analyst' | 'weir' | 'nobody' | 'given' | 'none'
  readonly request: {
    readonly method?: string
    readonly path?: string
    readonly query: Readonly<Record<string, string>>
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
    readonly bodyBase64?: string
  }
  /** `*` stands for any value. */
  readonly answer: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>>
    readonly columns?: readonly string[]
    /** All rows, or some of them, or only how many. */
    readonly rows?: readonly unknown[] | '*'
    readonly includes?: readonly unknown[]
    readonly rowCount?: number
    readonly text?: string
    /** A regular expression. */
    readonly textMatches?: string
    readonly beginsWithHex?: string
    readonly includesText?: string
    readonly code?: number
  }
}

/** By the names of their files; the packages as their users know them. */
const recorded = {
  'clickhouse-connect': 'clickhouse-connect',
  'clickhouse-go': 'github.com/ClickHouse/clickhouse-go/v2',
  cube: '@cubejs-backend/clickhouse-driver',
  curl: 'curl',
  grafana: 'grafana-clickhouse-datasource',
  jdbc: 'com.clickhouse:clickhouse-jdbc',
  knex: '@dnap/knex-clickhouse-dialect',
  metabase: 'metabase-clickhouse-driver',
}

let dataDir: string
let server: EmbeddedClickhouse

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-recorded-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const { user, password } = server.login
  await migrate({ url: server.url, user, password, database: 'weir' })
  const client = createClient({ url: server.url, username: user, password, database: 'weir' })
  await client.command({
    query: 'CREATE TABLE imported (id UInt64, name String) ENGINE = MergeTree ORDER BY id',
  })
  await client.close()
})

afterAll(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

describe.each(Object.keys(recorded))('%s', name => {
  const file = new URL(`./recorded/${name}.json`, import.meta.url)
  const { exchanges } = JSON.parse(readFileSync(file, 'utf8')) as { exchanges: Exchange[] }
  test.each(exchanges.map(exchange => [exchange.claim, exchange] as const))(
    '%s',
    async (_claim, exchange) => {
      const response = await send(exchange)
      const bytes = await bodyOf(response, exchange)
      const { answer } = exchange
      if (response.status !== answer.status) expect(bytes.toString()).toBe('')
      expect(response.status).toBe(answer.status)
      expect(response.headers.get('x-clickhouse-exception-code')).toBe(answer.code ? `${answer.code}` : null)
      for (const [header, value] of Object.entries(answer.headers ?? {}))
        expect(response.headers.get(header)).toBe(value)
      if (answer.text !== undefined) expect(bytes.toString()).toBe(answer.text)
      if (answer.textMatches !== undefined) expect(bytes.toString()).toMatch(new RegExp(answer.textMatches))
      if (answer.beginsWithHex !== undefined)
        expect(bytes.toString('hex', 0, answer.beginsWithHex.length / 2)).toBe(answer.beginsWithHex)
      if (answer.includesText !== undefined) expect(bytes.toString()).toContain(answer.includesText)
      const isText = answer.text !== undefined || answer.textMatches !== undefined
      if (answer.status === 200 && !isText && answer.rows !== '*')
        expectRows(read(bytes, response.headers.get('x-clickhouse-format'), exchange), answer)
    },
  )
})

function send({ login, request }: Exchange): Promise<Response> {
  const { user, password } = login === 'weir' ? server.login : server.analyst
  const filled = (fields: Readonly<Record<string, string>>) =>
    Object.entries(fields).map(([name, value]): [string, string] => [
      name,
      value.replace('{user}', user).replace('{password}', password),
    ])
  const address = new URL(request.path ?? '/', server.url)
  address.search = new URLSearchParams(filled(request.query)).toString()
  const headers = new Headers(filled(request.headers))
  const basic = login === 'nobody' ? 'nobody:x' : `${user}:${password}`
  if (login !== 'given' && login !== 'none')
    headers.set('authorization', `Basic ${Buffer.from(basic).toString('base64')}`)
  const { method = 'POST' } = request
  const body = request.bodyBase64 === undefined ? request.body : Buffer.from(request.bodyBase64, 'base64')
  return fetch(address, { method, headers, ...(body === undefined ? {} : { body }) })
}

async function bodyOf(response: Response, { request }: Exchange): Promise<Buffer> {
  const bytes = Buffer.from(await response.arrayBuffer())
  if (request.query['compress'] !== '1' || response.status !== 200) return bytes
  // The method LZ4: JDBC reads no other.
  if (bytes.length > 0) expect(bytes[16]).toBe(0x82)
  return Buffer.concat(await Readable.from([bytes]).compose(new BlockReader()).toArray())
}

function read(bytes: Buffer, format: string | null, { request }: Exchange): Answer {
  switch (format) {
    case 'Native':
      return readNative(bytes, Number(request.query['client_protocol_version'] ?? 0))
    case 'RowBinaryWithNamesAndTypes':
      return readRowBinary(bytes)
    case 'JSON':
    case 'JSONCompact':
      return readJsonDocument(bytes.toString())
    default:
      return readJsonLines(bytes.toString())
  }
}

function expectRows(found: Answer, answer: Exchange['answer']): void {
  if (answer.columns !== undefined && found.types.length > 0) expect(found.columns).toEqual(answer.columns)
  if (answer.rows !== undefined && answer.rows !== '*')
    expect(found.rows).toEqual(answer.rows.map(withAnyValues))
  for (const row of answer.includes ?? []) expect(found.rows).toContainEqual(withAnyValues(row))
  if (answer.rowCount !== undefined) expect(found.rows.length).toBe(answer.rowCount)
}

const anyValue = { asymmetricMatch: () => true, toString: () => 'any value' }

function withAnyValues(row: unknown): unknown {
  return Array.isArray(row) ? row.map(value => (value === '*' ? anyValue : value)) : row
}
