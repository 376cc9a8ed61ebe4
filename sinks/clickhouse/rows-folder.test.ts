// Rows handed over as a file, on a real engine.

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClickHouseClient } from '@clickhouse/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { beginWithSchema } from '../../bench/measure/schema-template.js'
import { type EmbeddedClickhouse, startEmbeddedClickhouse } from '../../deploy/embedded/clickhouse-server.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { rowsFolderHeader } from '../../schemas/rows/rows-file.js'
import { type FxRateRow, fxRatesTable } from '../../schemas/tables.js'
import { openClickHouse } from './config.js'
import { insertArrow } from './insert.js'
import { migrate } from './migrate.js'
import { RowsFolder } from './rows-folder.js'

let dataDir: string
let server: EmbeddedClickhouse
let client: ClickHouseClient

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'weir-rows-folder-'))
  await beginWithSchema(dataDir)
  server = await startEmbeddedClickhouse({ dataDir })
  const config = { url: server.url, ...server.login, database: 'weir' }
  await migrate(config)
  client = openClickHouse(config)
})

afterAll(async () => {
  await client.close()
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

const rates = (count: number, rate: bigint) =>
  encodeRows(
    fxRatesTable,
    Array.from(
      { length: count },
      (_, i): FxRateRow => ({
        base: 'EUR',
        quote: 'USD',
        rate,
        effectiveFromNs: BigInt(i),
        recordedAtMs: 2,
        eventSource: 'ecb',
        eventId: 'e',
        correlationId: '',
        partition: 0,
        ledgerSequence: 3,
      }),
    ),
  )
const large = rates(20_000, 2n)

async function insert(folder: RowsFolder, token: string, bytes: Uint8Array = large): Promise<number> {
  const parts = [bytes.subarray(0, 1_000), bytes.subarray(1_000, 1_000), bytes.subarray(1_000)]
  return insertArrow(client, folder, { table: 'fx_rates', parts, token })
}

async function rows(): Promise<number> {
  const result = await client.query({
    query: 'SELECT toInt32(count()) AS n FROM fx_rates',
    format: 'JSONEachRow',
  })
  const [first] = await result.json<{ n: number }>()
  return first!.n
}

const offered = async (): Promise<string> => {
  const { user, password } = server.login
  const headers = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password }
  const answer = await fetch(new URL('/ping', server.url), { headers })
  return decodeURIComponent(answer.headers.get(rowsFolderHeader)!)
}

test('a large insert goes by way of a file, once per token, and leaves no file behind', async () => {
  const folder = new RowsFolder({ url: server.url, ...server.login })
  const file = await folder.write([large])
  expect((await readFile(join(await offered(), file!.name))).equals(large)).toBe(true)
  await file!.remove()
  const before = await rows()
  expect(await insert(folder, 'file')).toBe(20_000)
  await insert(folder, 'file')
  expect(await rows()).toBe(before + 20_000)
  expect(await readdir(await offered())).toEqual([])
})

test('the same rows in the body are the same insert', async () => {
  const before = await rows()
  await insert(new RowsFolder({ url: server.url, ...server.login }), 'either')
  await insert(new RowsFolder({ ...server.login, url: 'http://example.test' }), 'either')
  expect(await rows()).toBe(before + 20_000)
})

test('small inserts, and servers that offer no folder or are not here, get the body', async () => {
  expect(await new RowsFolder({ url: server.url, ...server.login }).write([rates(10, 1n)])).toBeUndefined()
  expect(await new RowsFolder({ ...server.login, url: 'http://example.test' }).write([large])).toBeUndefined()
  const plain = createServer((_, response) => response.end('Ok.\n'))
  await new Promise<void>(resolve => plain.listen(0, '127.0.0.1', resolve))
  const { port } = plain.address() as AddressInfo
  expect(
    await new RowsFolder({ ...server.login, url: `http://127.0.0.1:${port}` }).write([large]),
  ).toBeUndefined()
  await new Promise(resolve => plain.close(resolve))
})

test('a folder that cannot be written, or that the server does not see, costs a file and no row', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'weir-elsewhere-'))
  let offer = join(folder, 'missing')
  const misleading = createServer((_, response) => {
    response.setHeader(rowsFolderHeader, encodeURIComponent(offer))
    response.end('Ok.\n')
  })
  await new Promise<void>(resolve => misleading.listen(0, '127.0.0.1', resolve))
  const { port } = misleading.address() as AddressInfo
  const rowsFolder = new RowsFolder({ ...server.login, url: `http://127.0.0.1:${port}` })
  const before = await rows()
  expect(await insert(rowsFolder, 'missing')).toBe(20_000)
  offer = folder
  await expect(insert(rowsFolder, 'unseen')).rejects.toThrow(/no file of rows/)
  expect(await insert(rowsFolder, 'unseen')).toBe(20_000)
  expect(await rows()).toBe(before + 40_000)
  expect(await readdir(folder)).toEqual([])
  await new Promise(resolve => misleading.close(resolve))
  await rm(folder, { recursive: true })
})

test('only names of files in the folder are taken', async () => {
  for (const name of ['../engine.xml', 'nothing', '%2e%2e', 'a/b']) {
    const settings = { weir_rows_file: name } as never
    const query = 'INSERT INTO fx_rates FORMAT ArrowStream'
    await expect(client.command({ query, clickhouse_settings: settings })).rejects.toThrow(/no file of rows/)
  }
})
