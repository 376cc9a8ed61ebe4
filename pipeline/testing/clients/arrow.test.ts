// Usage batches as pandas, pyarrow, polars and DuckDB write them (arrow/make-batches.py), and as the npm package
// apache-arrow does, against a running Weir: each row is the JSON event that its writer meant, and is rated once.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import zstd from '@foxglove/wasm-zstd'
import { headers as natsHeaders } from '@nats-io/transport-node'
import {
  CompressionType,
  compressionRegistry,
  RecordBatchStreamWriter,
  type Table,
  tableFromArrays,
  tableToIPC,
} from 'apache-arrow'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { usageBatchFileType, usageBatchType } from '../../../schemas/event/media-types.js'
import { packageRoot } from '../../../schemas/package-root.js'
import { compatibilityRows } from './compatibility-rows.js'
import { type RatingWeir, startRatingWeir } from './rating-weir.js'

const folder = fileURLToPath(new URL('pipeline/testing/clients/arrow/', packageRoot))
const customer = 'acme'
let weir: RatingWeir
let sent = 0

beforeAll(async () => {
  weir = await startRatingWeir([customer])
})

afterAll(() => weir?.close())

const read = (name: string) => readFileSync(folder + name)

interface Answer {
  readonly accepted?: number
  readonly rejected?: readonly unknown[]
  readonly code?: string
  readonly detail?: string
}

async function post(bytes: Uint8Array | string, contentType: string): Promise<Answer> {
  const headers = { 'content-type': contentType }
  const response = await fetch(`${weir.url}/v1/events`, { method: 'POST', headers, body: bytes })
  const answer = (await response.json()) as Answer
  sent += answer.accepted ?? 0
  return answer
}

async function publish(bytes: Uint8Array, rows: number, contentType?: string): Promise<void> {
  const headers = natsHeaders()
  if (contentType !== undefined) headers.set('Content-Type', contentType)
  await weir.broker.nc.request(`usage.${customer}`, bytes, { headers, timeout: 5_000 })
  sent += rows
}

async function changeOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const names = ['rated', 'duplicate', 'conflicting', 'dead_lettered'] as const
  const before = names.map(name => weir.counted(name))
  await work()
  await weir.received(sent)
  const changes = names.map((name, i): [string, number] => [name, weir.counted(name) - before[i]!])
  return Object.fromEntries(changes.filter(([, change]) => change !== 0))
}

const time = '2026-01-02T03:04:05.678Z'
const model = 'a model with a long name, größer als zwölf Bytes'

/** One line for each row; `data` is JSON text, so that its digits are those that stand here. */
function lines(
  source: string,
  rows: readonly { readonly time?: string | undefined; readonly data: string }[],
): string {
  return rows
    .map(({ data, ...more }, i) => {
      const attributes = {
        specversion: '1.0',
        id: `e${i + 1}`,
        source,
        type: 'llm.request',
        subject: customer,
        ...more,
      }
      return `${JSON.stringify(attributes).slice(0, -1)},"data":${data}}\n`
    })
    .join('')
}

const pandas = lines('pandas', [
  { time, data: `{"tokens":9007199254740993,"price":0.1,"model":"${model}","cached":true}` },
  { time: '2026-01-02T03:04:06.678Z', data: '{"tokens":2,"price":1e-7,"model":"x","cached":false}' },
  { data: '{"cached":true}' },
])
const pyarrow = lines('pyarrow', [
  {
    time,
    data:
      '{"tokens":9007199254740993,"cost":12.3456789012,"usage":{"in":1,"steps":[1,null,3]},"tags":{"region":"eu"},' +
      `"day":"2026-01-02","clock":"03:04:05.6","seen":"${time}","raw":"größe","ok":true}`,
  },
  { data: '{"tokens":2,"usage":{"in":2},"tags":{}}' },
  { time, data: '{}' },
])
const dictionaries = lines(
  'pyarrow-dictionaries',
  ['a', 'b', 'a', 'b', 'c'].map(word => ({ data: `{"model":"${word}"}` })),
)
const polars = lines('polars', [
  {
    time,
    data:
      `{"tokens":9007199254740993,"price":0.1,"cost":12.345,"model":"${model}","tier":"gold",` +
      '"usage":{"in":1,"steps":[1,2]}}',
  },
  { data: '{"model":"x","tier":"free","usage":{"in":2}}' },
])
const duckdb = lines(
  'duckdb',
  ['"tokens":9007199254740993,"total":1', '"total":3'].map(first => ({
    time,
    data:
      `{${first},"cost":12.345,"tier":"gold","tags":{"region":"eu"},"steps":[1,2],` +
      '"key":"3f333df6-90a4-4fda-8dd3-9485d27cee36"}',
  })),
)

test.each<[string, number, string, string[]]>([
  ['pandas', 3, pandas, ['pandas.arrows', 'pandas-feather.arrow']],
  ['pyarrow', 3, pyarrow, ['pyarrow-zstd.arrows', 'pyarrow-lz4.arrows', 'pyarrow-file.arrow']],
  ['pyarrow with dictionaries', 5, dictionaries, ['pyarrow-delta.arrows', 'pyarrow-replaced.arrows']],
  ['polars', 2, polars, ['polars.arrows', 'polars-lz4.arrows', 'polars-zstd.arrows', 'polars-file.arrow']],
  ['duckdb', 2, duckdb, ['duckdb.arrows', 'duckdb-zstd.arrows']],
])(
  'what %s writes in any form, over HTTP and NATS, is rated once and is the JSON events that it means',
  async (_, rows, json, files) => {
    const counts = await changeOf(async () => {
      for (const name of files) {
        const type = name.endsWith('s') ? usageBatchType : usageBatchFileType
        expect(await post(read(name), type)).toMatchObject({ accepted: rows, rejected: [] })
        await publish(read(name), rows, type)
        await publish(read(name), rows)
      }
      expect(await post(json, 'application/x-ndjson')).toMatchObject({ accepted: rows })
    })
    expect(counts).toEqual({ rated: rows, duplicate: rows * files.length * 3 })
  },
)

test('a column that cannot be taken is named with the reason, over HTTP and in the dead letter', async () => {
  const why = 'the column "took" has the type duration, for which JSON has no form'
  const bytes = read('pyarrow-duration.arrows')
  expect(await post(bytes, usageBatchType)).toMatchObject({
    code: 'malformed_arrow',
    detail: expect.stringContaining(why),
  })
  expect(await changeOf(() => publish(bytes, 1))).toEqual({ dead_lettered: 1 })
  expect(await weir.rows('dead_letters')).toMatchObject([{ code: 'malformed_arrow' }])
})

const libraryRows = 200

function libraryTable(): Table {
  const all = (value: string) => Array<string>(libraryRows).fill(value)
  const id = all('a').map((letter, i) => letter + i)
  const tokens = BigInt64Array.from(id, (_, i) => 2n ** 53n + BigInt(i))
  return tableFromArrays({
    id,
    source: all('js'),
    type: all('llm.request'),
    subject: all(customer),
    tokens,
    region: all('eu'),
  })
}

test('a table of the npm package apache-arrow is rated once, as a stream and as a file', async () => {
  const counts = await changeOf(async () => {
    expect(await post(tableToIPC(libraryTable()), usageBatchType)).toMatchObject({ accepted: libraryRows })
    await publish(tableToIPC(libraryTable(), 'file'), libraryRows)
  })
  expect(counts).toEqual({ rated: libraryRows, duplicate: libraryRows })
})

test('its own compression states wrong lengths, which is refused and harms nothing', async () => {
  await zstd.isLoaded
  // The library writes the compressed length where the format has the plain one.
  compressionRegistry.set(CompressionType.ZSTD, { encode: bytes => zstd.compress(bytes) })
  const writer = new RecordBatchStreamWriter({ compressionType: CompressionType.ZSTD })
  writer.writeAll(libraryTable().batches)
  writer.finish()
  expect(await post(writer.toUint8Array(true), usageBatchType)).toMatchObject({ code: 'malformed_arrow' })
  expect(await changeOf(() => post(tableToIPC(libraryTable()), usageBatchType))).toEqual({
    duplicate: libraryRows,
  })
})

test('the versions that the rows name are those that wrote the files', () => {
  const versions = JSON.parse(read('versions.json').toString()) as Record<string, string>
  const named = compatibilityRows.filter(row => row.test === 'arrow.test.ts' && row.version !== undefined)
  expect(Object.fromEntries(named.map(row => [row.package, row.version]))).toEqual(versions)
})
