// Usage batches in Arrow over HTTP: passed on unchanged, or split by partition, row by row.

import { gzipSync } from 'node:zlib'
import { RecordBatchStreamWriter, Table, Utf8, vectorFromArray } from 'apache-arrow'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { usageBatchType } from '../../schemas/event/media-types.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { encodeUsageBatch, type UsageRow } from '../../schemas/usage-batch/usage-batch-writer.js'
import {
  type Broker,
  post,
  type Served,
  serve,
  startBroker,
  storedMessages,
  usage,
} from '../testing/gateway-fixture.js'
import type { Receipt } from './event-publisher.js'

const partitions = 4
let broker: Broker
let served: Served
let url: string

beforeAll(async () => {
  broker = await startBroker(partitions)
  served = await serve(broker, partitions)
  url = `${served.url}/v1/events`
})

afterAll(async () => {
  await served?.gateway.close()
  await broker?.close()
})

interface Answer {
  readonly accepted: number
  readonly rejected: readonly { index: number; id: string | null; code: string; pointer?: string }[]
  readonly receipts: readonly Receipt[]
}

function rowOf(event: Record<string, unknown>): UsageRow {
  const { specversion: _, data, ...attributes } = event
  return { ...attributes, data: JSON.stringify(data) } as UsageRow
}

function postBatch(bytes: Uint8Array, headers: Record<string, string> = {}, to = url): Promise<Response> {
  return post(to, bytes, { 'content-type': usageBatchType, ...headers })
}

async function sendRows(rows: readonly UsageRow[]): Promise<Answer> {
  const response = await postBatch(encodeUsageBatch(rows))
  expect(response.status, await response.clone().text()).toBe(202)
  return (await response.json()) as Answer
}

async function problemOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return (await response.json()) as { status: number; code: string; detail: string }
}

async function storedAt(receipts: readonly Receipt[]) {
  const places = new Set(receipts.map(receipt => `${receipt.stream} ${receipt.stream_sequence}`))
  const all = ['CATALOG', 'LIFECYCLE', 'METERING'].map(async stream =>
    (await storedMessages(broker, stream)).filter(({ seq }) => places.has(`${stream} ${seq}`)),
  )
  return (await Promise.all(all)).flat()
}

test('the rows of a batch lie where the receipts say, still in columns, and mean what was sent', async () => {
  const events = Array.from({ length: 40 }, (_, i) => usage(`b${i}`, `customer-${i}`, { tokens: i, ü: '🙂' }))
  const answer = await sendRows(events.map(rowOf))
  expect(answer.accepted).toBe(40)
  const stored = await storedAt(answer.receipts)
  expect(stored.map(({ events: found }) => found.length).sort()).toEqual(
    answer.receipts.map(({ count }) => count).sort(),
  )
  expect(new Set(stored.map(({ contentType }) => contentType))).toEqual(new Set([usageBatchType]))
  expect(stored.flatMap(message => message.events).sort(byId)).toEqual([...events].sort(byId))
  for (const { natsSubject, events: found } of stored) {
    for (const event of found)
      expect(natsSubject).toBe(`metering.${partitionOf(String(event['subject']), partitions)}.gateway`)
  }
})

function byId(a: Record<string, unknown>, b: Record<string, unknown>): number {
  return String(a['id']) < String(b['id']) ? -1 : 1
}

test('a batch whose rows all go to one partition is passed on byte by byte', async () => {
  const bytes = encodeUsageBatch([rowOf(usage('o1', 'one')), rowOf(usage('o2', 'one'))])
  const answer = (await (await postBatch(gzipSync(bytes), { 'content-encoding': 'gzip' })).json()) as Answer
  expect(answer).toMatchObject({ accepted: 2, rejected: [], receipts: [{ stream: 'METERING', count: 2 }] })
  const [message] = await storedAt(answer.receipts)
  expect(Buffer.compare(message!.bytes, bytes)).toBe(0)
})

test('a row is refused with the index, id and code that it would have as JSON, and its neighbours are taken', async () => {
  const events = [
    usage('r0'),
    usage('', 'acme'),
    { ...usage('r2'), time: 'yesterday' },
    { ...usage('r3'), type: 'weir.unheard.of' },
    { ...usage('r4'), data: [] },
    { ...usage('r5'), type: 'weir.subscription.cancelled', data: { customer_id: 'acme' } },
    { ...usage('r6'), subject: 'x'.repeat(257) },
    usage('r7'),
  ]
  const asRows = await sendRows(events.map(rowOf))
  const asJson = (await (await post(url, events)).json()) as Answer
  expect(asRows.rejected).toEqual(asJson.rejected)
  expect(asRows.accepted).toBe(2)
  expect(asRows.rejected.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6])
  const broken = await sendRows([rowOf(usage('r8')), { ...rowOf(usage('r9')), data: '{"a":' }])
  expect(broken).toMatchObject({
    accepted: 1,
    rejected: [{ index: 1, id: 'r9', code: 'malformed_json', pointer: '/data' }],
  })
})

test('what else a batch holds goes to its own stream as JSON', async () => {
  const rate = { base: 'EUR', quote: 'USD', rate: '1.1', effective_from: '2026-01-01T00:00:00Z' }
  const retraction = { event_source: 'test', event_id: 'r0' }
  const answer = await sendRows([
    rowOf(usage('m0')),
    rowOf({ ...usage('m1'), type: 'weir.usage.retracted', data: retraction }),
    rowOf({ ...usage('m2'), type: 'weir.fx_rate.published', data: rate }),
  ])
  expect(answer.receipts.map(({ stream }) => stream)).toEqual(['CATALOG', 'LIFECYCLE', 'METERING'])
  const stored = await storedAt(answer.receipts)
  expect(stored.map(({ contentType }) => contentType)).toEqual([
    'application/x-ndjson',
    'application/x-ndjson',
    usageBatchType,
  ])
  expect(stored.map(({ events }) => events[0]!['data'])).toEqual([rate, retraction, { tokens: 1 }])
})

test('10,000 rows are taken, 10,001 are not', async () => {
  const rows = Array.from({ length: 10_001 }, (_, i) => rowOf(usage(`k${i}`, `c${i % 50}`)))
  const answer = await sendRows(rows.slice(1))
  expect(answer.accepted).toBe(10_000)
  const stored = await storedAt(answer.receipts)
  expect(new Set(stored.flatMap(({ events }) => events.map(({ id }) => id))).size).toBe(10_000)
  const problem = await problemOf(await postBatch(encodeUsageBatch(rows)))
  expect(problem).toMatchObject({ status: 413, code: 'too_many_events' })
})

test('a row of 7 MB travels alone', async () => {
  const large = usage('w2', 'acme', { text: 'x'.repeat(7_000_000) })
  const answer = await sendRows([usage('w1'), large, usage('w3')].map(rowOf))
  expect(answer.accepted).toBe(3)
  expect(answer.receipts.map(({ count }) => count)).toEqual([1, 1, 1])
})

test('many requests at once share messages of rows, and none of lines', async () => {
  const sent = Array.from({ length: 8 }, (_, n) => {
    const events = [usage(`s${n}-a`, 'one'), usage(`s${n}-b`, 'two')]
    return n % 2 === 0 ? post(url, events) : postBatch(encodeUsageBatch(events.map(rowOf)))
  })
  const answers = await Promise.all(sent.map(async one => (await (await one).json()) as Answer))
  const receipts = answers.flatMap(answer => answer.receipts)
  const stored = await storedAt(receipts)
  expect(stored.flatMap(({ events }) => events)).toHaveLength(16)
  const counts = new Map<number, number>()
  for (const { stream_sequence: seq, count } of receipts) counts.set(seq, (counts.get(seq) ?? 0) + count)
  expect(new Map(stored.map(({ seq, events }) => [seq, events.length]))).toEqual(counts)
})

test('a body that is no batch is 400, one that grows too large 413', async () => {
  expect(await problemOf(await postBatch(Buffer.from('[]')))).toMatchObject({
    status: 400,
    code: 'malformed_arrow',
  })
  expect(await problemOf(await postBatch(new Uint8Array()))).toMatchObject({ code: 'malformed_arrow' })
  const bomb = gzipSync(Buffer.alloc(9_000_000))
  expect(await problemOf(await postBatch(bomb, { 'content-encoding': 'gzip' }))).toMatchObject({
    status: 413,
    code: 'body_too_large',
  })
})

test('a row without data is the event without data, also beside rows of other partitions', async () => {
  const column = (...values: (string | null)[]) => vectorFromArray(values, new Utf8())
  const table = new Table({
    id: column('n1', 'n2'),
    source: column('test', 'test'),
    type: column('llm.request', 'llm.request'),
    subject: column('customer-1', 'customer-2'),
    data: column(null, '{"tokens":1}'),
  })
  const response = await postBatch(RecordBatchStreamWriter.writeAll(table.batches).toUint8Array(true))
  expect(response.status, await response.clone().text()).toBe(202)
  const { receipts } = (await response.json()) as Answer
  const events = (await storedAt(receipts)).flatMap(message => message.events)
  expect(Object.fromEntries(events.map(({ id, data }) => [id, data]))).toEqual({ n1: {}, n2: { tokens: 1 } })
})

test('OpenMeter producers may send batches too: all rows or none', async () => {
  const openMeter = `${served.url}/api/v1/events`
  const good = rowOf(usage('om1'))
  expect((await postBatch(encodeUsageBatch([good]), {}, openMeter)).status).toBe(204)
  const bad = await postBatch(encodeUsageBatch([rowOf(usage('om2')), { ...good, id: '' }]), {}, openMeter)
  expect(await problemOf(bad)).toMatchObject({ status: 400, code: 'malformed_events' })
})

test('the OpenAPI document names the form', async () => {
  const document = (await (await fetch(`${served.url}/openapi.json`)).json()) as {
    paths: Record<string, { post: { requestBody: { content: Record<string, unknown> } } }>
  }
  const { content } = document.paths['/v1/events']!.post.requestBody
  expect(Object.keys(content)).toContain(usageBatchType)
})
