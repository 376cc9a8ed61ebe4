// Ingestion over HTTP against a real broker: verdicts, receipts, and where the events are stored.

import { brotliCompressSync, gzipSync } from 'node:zlib'
import { jetstream } from '@nats-io/jetstream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { customerToken, fnv1a32, partitionOf } from '../../schemas/identifiers.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
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

async function send(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await post(url, body, headers)
  expect(response.status, await response.clone().text()).toBe(202)
  return (await response.json()) as Answer
}

async function refused(body: unknown, headers: Record<string, string> = {}, to = url) {
  const response = await post(to, body, headers)
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await response.json()) as {
    status: number
    code: string
    detail?: string
    errors?: { pointer: string }[]
  }
  expect(problem.status).toBe(response.status)
  return { ...problem, headers: response.headers }
}

/** The ids that a receipt points at. */
async function idsAt(receipt: Receipt): Promise<unknown[]> {
  const messages = await storedMessages(broker, receipt.stream)
  return messages.find(message => message.seq === receipt.stream_sequence)!.events.map(event => event['id'])
}

test('a malformed event is refused alone and its neighbours lie where the receipts say', async () => {
  const answer = await send([
    usage('v1', 'customer-1'),
    { ...usage('v2'), specversion: '0.3' },
    { ...usage('v3'), subject: undefined },
    17,
    { ...usage('v5'), type: 'weir.unheard.of' },
    usage('x'.repeat(300)),
    { ...usage('v7'), time: 'yesterday' },
    usage('v8', 'customer-1'),
    usage('v9', 'customer-2'),
  ])
  expect(answer.accepted).toBe(3)
  expect(answer.rejected.map(({ index, code }) => [index, code])).toEqual([
    [1, 'unsupported_specversion'],
    [2, 'missing_attribute'],
    [3, 'not_an_object'],
    [4, 'unknown_event_type'],
    [5, 'invalid_attribute'],
    [6, 'invalid_time'],
  ])
  expect(answer.rejected[4]!.id).toBe('x'.repeat(256))
  expect(answer.rejected[2]!.id).toBeNull()
  expect(answer.receipts.reduce((sum, { count }) => sum + count, 0)).toBe(3)
  const found = (await Promise.all(answer.receipts.map(idsAt))).flat()
  expect(found.sort()).toEqual(['v1', 'v8', 'v9'])
  for (const receipt of answer.receipts) expect(await idsAt(receipt)).toHaveLength(receipt.count)
})

test('all events refused is still 202, since sending them again would not help', async () => {
  const answer = await send([{}, {}])
  expect(answer.accepted).toBe(0)
  expect(answer.rejected).toHaveLength(2)
  expect(answer.receipts).toEqual([])
})

test('types go to their streams, usage and changes of a customer to the same partition', async () => {
  const change = (type: string, data: object) => ({ ...usage(`t-${type}`, 'kö/ñ'), type, data })
  const price = { price: 'p', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '1' }
  const catalog = {
    meters: [{ meter: 'm', event_type: 'e', aggregation: 'count' }],
    plans: [{ plan: 'pro', version: 1, currency: 'USD', billing_period: 'month', prices: [price] }],
  }
  const answer = await send([
    change('llm.request', { tokens: 1 }),
    change('weir.subscription.cancelled', {
      subscription_id: 's',
      customer_id: 'kö/ñ',
      sequence: 2,
      effective_from: '2026-01-01T00:00:00Z',
    }),
    change('weir.usage.retracted', { event_source: 'test', event_id: 'v1' }),
    change('weir.catalog.published', { catalog }),
    change('weir.fx_rate.published', {
      base: 'EUR',
      quote: 'USD',
      rate: '1.1',
      effective_from: '2026-01-01T00:00:00Z',
    }),
  ])
  expect(answer.rejected).toEqual([])
  const p = partitionOf('kö/ñ', partitions)
  expect(answer.receipts.map(({ stream, partition, count }) => [stream, partition, count])).toEqual([
    ['CATALOG', null, 2],
    ['LIFECYCLE', p, 2],
    ['METERING', p, 1],
  ])
})

test('a broken catalog is refused at once with all its problems', async () => {
  const catalog = { meters: [{ meter: 'm', aggregation: 'avg' }], plans: [{ plan: 'p', version: 0 }] }
  const answer = await send([{ ...usage('c1'), type: 'weir.catalog.published', data: { catalog } }])
  const [verdict] = answer.rejected as unknown as { code: string; errors: { pointer: string }[] }[]
  expect(verdict!.code).toBe('invalid_catalog')
  expect(verdict!.errors.length).toBeGreaterThan(2)
  expect(verdict!.errors.every(({ pointer }) => pointer.startsWith('/data/catalog'))).toBe(true)
})

test('a change without its sequence is refused at the door', async () => {
  const data = { subscription_id: 's', customer_id: 'acme', effective_from: '2026-01-01T00:00:00Z' }
  const answer = await send([{ ...usage('c2'), type: 'weir.subscription.cancelled', data }])
  expect(answer.rejected[0]!.pointer).toBe('/data/sequence')
})

test('one object, a batch, NDJSON and the binary mode all arrive', async () => {
  const one = await send(usage('m1'), { 'content-type': 'application/cloudevents+json; charset=utf-8' })
  const batch = await send([usage('m2')], { 'content-type': 'application/cloudevents-batch+json' })
  const lines = `${JSON.stringify(usage('m3'))}\n{broken\n\n${JSON.stringify(usage('m4'))}\n`
  const ndjson = await send(lines, { 'content-type': 'application/x-ndjson' })
  const attributes = { 'ce-specversion': '1.0', 'ce-id': 'm5', 'ce-source': 'test', 'ce-type': 'llm.request' }
  const binary = await send({ tokens: 3 }, { ...attributes, 'ce-subject': 'Z%C3%BCrich' })
  expect([one, batch, ndjson, binary].map(answer => answer.accepted)).toEqual([1, 1, 2, 1])
  expect(ndjson.rejected.map(({ code }) => code)).toEqual(['malformed_json'])
  const messages = await storedMessages(broker, 'METERING')
  const stored = messages.find(({ seq }) => seq === binary.receipts[0]!.stream_sequence)!.events[0]!
  expect(stored).toMatchObject({ id: 'm5', subject: 'Zürich', data: { tokens: 3 } })
  const incomplete = await send({ tokens: 3 }, { 'ce-specversion': '1.0', 'ce-id': 'm6' })
  expect(incomplete.rejected.map(({ code }) => code)).toEqual(['missing_attribute'])
})

test('customers of any script land in the partition that NATS itself computes', async () => {
  const customers = [
    'acme',
    'Zürich',
    '顧客',
    'a.b',
    'a b',
    '*',
    '>',
    '=',
    'x=y',
    '🙂',
    "o'hara",
    'Ω'.repeat(128),
  ]
  const answer = await send(customers.map((customer, index) => usage(`u${index}`, customer)))
  expect(answer.accepted).toBe(customers.length)
  for (const [index, customer] of customers.entries()) {
    const natsSubject = `usage.${customerToken(customer)}`
    await jetstream(broker.nc).publish(natsSubject, JSON.stringify(usage(`n${index}`, customer)))
  }
  const partitionById = new Map<unknown, string>()
  for (const { natsSubject, events } of await storedMessages(broker, 'METERING'))
    for (const event of events) partitionById.set(event['id'], natsSubject.split('.')[1]!)
  for (const [index, customer] of customers.entries()) {
    expect(partitionById.get(`u${index}`), customer).toBe(partitionById.get(`n${index}`))
    expect(partitionById.get(`u${index}`)).toBe(String(fnv1a32(customerToken(customer)) % partitions))
  }
})

test('10,000 events are taken in the order of each partition, 10,001 are not', async () => {
  const events = Array.from({ length: 10_000 }, (_, index) => usage(`k${index}`, `c${index % 50}`))
  const answer = await send(events)
  expect(answer.accepted).toBe(10_000)
  const sequences = new Set(answer.receipts.map(({ stream_sequence }) => stream_sequence))
  const stored = (await storedMessages(broker, 'METERING')).filter(({ seq }) => sequences.has(seq))
  const lastOf = new Map<string, number>()
  for (const { natsSubject, events: found } of stored) {
    for (const event of found) {
      const place = Number(String(event['id']).slice(1))
      expect(place).toBeGreaterThan(lastOf.get(natsSubject) ?? -1)
      lastOf.set(natsSubject, place)
    }
  }
  expect(stored.flatMap(message => message.events)).toHaveLength(10_000)
  expect(await refused([...events, usage('one more')])).toMatchObject({
    status: 413,
    code: 'too_many_events',
  })
})

test('a body of 10 MB is refused, plain and compressed, and so is what is no encoding', async () => {
  const large = JSON.stringify([usage('big', 'acme', { text: 'x'.repeat(10_000_000) })])
  expect(await refused(large)).toMatchObject({ status: 413, code: 'body_too_large' })
  expect(await refused(gzipSync(large), { 'content-encoding': 'gzip' })).toMatchObject({ status: 413 })
  expect(await refused(brotliCompressSync(large), { 'content-encoding': 'br' })).toMatchObject({
    status: 413,
  })
  const wrong = await refused(large.slice(0, 100), { 'content-encoding': 'gzip' })
  expect(wrong).toMatchObject({ status: 400, code: 'malformed_encoding' })
  const unknown = await refused('{}', { 'content-encoding': 'lzma' })
  expect(unknown).toMatchObject({ status: 415, code: 'unsupported_content_encoding' })
  expect(unknown.headers.get('accept-encoding')).toContain('gzip')
  const zipped = await send(gzipSync(JSON.stringify([usage('z1')])), { 'content-encoding': 'gzip' })
  expect(zipped.accepted).toBe(1)
})

test('an event of 7 MB travels alone', async () => {
  const answer = await send([usage('w1'), usage('w2', 'acme', { text: 'x'.repeat(7_000_000) }), usage('w3')])
  expect(answer.accepted).toBe(3)
  expect(answer.receipts.map(({ count }) => count)).toEqual([1, 1, 1])
})

test('what is no JSON is 400 with a pointer, and an unknown type is 415 with what is taken', async () => {
  for (const body of ['', '{', 'hello', '[1,', '\u0000', '[{"id":}]']) {
    const problem = await refused(body)
    expect(problem, body).toMatchObject({ status: 400, code: 'malformed_json' })
    expect(problem.errors![0]!.pointer).toBe('')
  }
  expect(await refused(new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({ status: 400 })
  const xml = await refused('<a/>', { 'content-type': 'application/xml' })
  expect(xml).toMatchObject({ status: 415, code: 'unsupported_content_type' })
  expect(xml.detail).toMatch(/"application\/xml" is not taken; .*application\/json, application\/x-ndjson/)
  expect(xml.headers.get('accept')).toContain('application/x-ndjson')
  expect(await refused('{}', { 'content-type': 'nonsense' })).toMatchObject({ status: 415 })
})

test('hostile values are refused without harm to a neighbour', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  const event = (id: string, extra: string) => JSON.stringify(usage(id)).replace('{', `{${extra},`)
  const answer = await send(
    `[${event('h1', `"x":${deep}`)},${event('h2', '"__proto__":{"id":"evil"}')},` +
      `${JSON.stringify(usage('h3')).replace('{"tokens":1}', deep)},` +
      `${JSON.stringify(usage('h4')).replace('"tokens":1', `"a":${'{"a":'.repeat(70)}1${'}'.repeat(70)}`)},` +
      `${JSON.stringify(usage('h5')).replace('acme', '\\ud800')},${event('h6', '"id":"h7"')}]`,
  )
  expect(answer.rejected.map(({ id, code }) => [id, code])).toEqual([
    ['h1', 'invalid_attribute'],
    ['h3', 'invalid_data'],
    ['h4', 'invalid_data'],
    ['h5', 'invalid_attribute'],
  ])
  expect(Object.prototype).not.toHaveProperty('id')
})

test('OpenMeter producers get 204, or 400 and nothing is taken', async () => {
  const openMeter = `${served.url}/api/v1/events`
  const ok = await post(openMeter, [usage('o1')], { 'content-type': 'application/cloudevents-batch+json' })
  expect([ok.status, await ok.text()]).toEqual([204, ''])
  const problem = await refused([usage('o2'), { ...usage('o3'), id: '' }], {}, openMeter)
  expect(problem).toMatchObject({ status: 400, code: 'malformed_events', errors: [{ pointer: '/1/id' }] })
  const ids = (await storedMessages(broker, 'METERING')).flatMap(({ events }) => events.map(({ id }) => id))
  expect(ids).toContain('o1')
  expect(ids).not.toContain('o2')
})

test('what was taken and refused is counted by code', async () => {
  const metrics = await served.registry.metrics()
  expect(metrics).toMatch(/weir_gateway_events_rejected_total\{code="unknown_event_type"\} 1/)
  expect(metrics).toMatch(
    /weir_gateway_request_seconds_count\{route="\/v1\/events",method="POST",status="413"\} \d/,
  )
  expect(metrics).toMatch(/weir_gateway_requests_in_flight 0/)
  expect(metrics).toMatch(/weir_gateway_bytes_in_flight 0/)
})

test('numbers that no double stands for go on with their digits, in every form of a request', async () => {
  const data = '{"n":9007199254740993,"a":[1234567890123456.789,-1e-999999999],"t":"9007199254740993"}'
  const line = (id: string, type: string, more: string) =>
    `{"specversion":"1.0","id":"${id}","source":"digits","type":"${type}","subject":"c1","data":${more}}`
  const payment = '{"payment_id":"p","customer_id":"c1","currency":"USD","amount":12345678901234567.89}'
  const answers = [
    await send(line('d1', 'use', data), { 'content-type': 'application/cloudevents+json' }),
    await send(`[${line('d2', 'use', data)}]`, { 'content-type': 'application/cloudevents-batch+json' }),
    await send(`${line('d3', 'use', data)}\n`, { 'content-type': 'application/x-ndjson' }),
    await send(data, {
      'content-type': 'application/json',
      ...{
        'ce-specversion': '1.0',
        'ce-id': 'd4',
        'ce-source': 'digits',
        'ce-type': 'use',
        'ce-subject': 'c1',
      },
    }),
    await send(line('d5', 'weir.payment.succeeded', payment), { 'content-type': 'application/json' }),
  ]
  expect(answers.map(answer => answer.accepted)).toEqual([1, 1, 1, 1, 1])
  const stored = [
    ...(await storedMessages(broker, 'METERING')),
    ...(await storedMessages(broker, 'LIFECYCLE')),
  ]
  const written = stored
    .flatMap(message => message.events as { source: string; data: unknown }[])
    .filter(event => event.source === 'digits')
    .map(event => stringifyJson(event.data))
  expect(written).toEqual([data, data, data, data, payment])
})
