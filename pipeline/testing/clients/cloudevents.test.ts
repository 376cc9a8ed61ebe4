// The CloudEvents SDK (npm `cloudevents`) against a running Weir, over HTTP and, with the messages that it makes, over
// NATS: what it sends is rated once, whichever way it comes.

import { request } from 'node:http'
import { Kvm } from '@nats-io/kv'
import { headers as natsHeaders } from '@nats-io/transport-node'
import { CloudEvent, emitterFor, HTTP, httpTransport, type Message, Mode } from 'cloudevents'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ledgerSubjects } from '../../../sinks/clickhouse/records.js'
import { encodeRecord } from '../../deliver/delivery-record.js'
import { caughtUp } from '../../producers/caught-up.js'
import { type RatingWeir, startRatingWeir } from './rating-weir.js'

const customer = 'acme'
const batchType = { 'content-type': 'application/cloudevents-batch+json' }
let weir: RatingWeir
let url: string
let sent = 0

beforeAll(async () => {
  weir = await startRatingWeir([customer, 'zürich'])
  url = `${weir.url}/v1/events`
})

afterAll(() => weir?.close())

const usage = {
  source: '/cloudevents-sdk',
  type: 'llm.tokens',
  subject: customer,
  time: '2026-11-01T00:00:00.000Z',
  data: { tokens: 7 } as unknown,
}

async function emit(event: CloudEvent<unknown>, mode: Mode): Promise<void> {
  const transport = httpTransport(url)
  const answers: unknown[] = []
  await emitterFor(async message => answers.push(await transport(message)), { mode })(event)
  expect(answers).toMatchObject([{ body: expect.stringMatching(/"accepted":1,"rejected":\[\]/) }])
  sent += 1
}

async function send({ headers }: Message): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: headers as Record<string, string> })
  expect(await response.json()).toMatchObject({ accepted: 1 })
  sent += 1
}

async function postBatch(events: readonly CloudEvent<unknown>[]): Promise<void> {
  const response = await fetch(url, { method: 'POST', headers: batchType, body: JSON.stringify(events) })
  expect(await response.json()).toMatchObject({ accepted: events.length, rejected: [] })
  sent += events.length
}

/** The message as it is, with its headers as NATS headers. */
async function publish({ headers, body }: Message, natsSubject = `usage.${customer}`): Promise<void> {
  const made = natsHeaders()
  for (const [name, value] of Object.entries(headers)) made.append(name, String(value))
  const bytes = body === undefined ? '' : (body as string)
  await weir.broker.nc.request(natsSubject, bytes, { headers: made, timeout: 5_000 })
  sent += 1
}

async function changeOf(work: () => Promise<void>): Promise<Record<string, number>> {
  const names = ['applied', 'rated', 'duplicate', 'conflicting', 'dead_lettered'] as const
  const before = names.map(name => weir.counted(name))
  await work()
  await weir.received(sent)
  const changes = names.map((name, i): [string, number] => [name, weir.counted(name) - before[i]!])
  return Object.fromEntries(changes.filter(([, change]) => change !== 0))
}

test('one event in structured, binary and batch mode, over HTTP and NATS, is rated once', async () => {
  const event = new CloudEvent({ ...usage, id: 'modes' })
  const counts = await changeOf(async () => {
    await emit(event, Mode.BINARY)
    await emit(event, Mode.STRUCTURED)
    await postBatch([event, event])
    await publish(HTTP.binary(event))
    await publish(HTTP.structured(event))
    await publish({ headers: {}, body: event.toString() })
  })
  expect(counts).toEqual({ rated: 1, duplicate: 6 })
})

test('an event without data is counted, in every mode', async () => {
  const event = (id: string) => new CloudEvent({ ...usage, id, type: 'llm.request', data: undefined })
  const counts = await changeOf(async () => {
    // The SDK's own transport writes a body in any case; its binary message of an event without data has none.
    await send(HTTP.binary(event('none-binary')))
    await emit(event('none-structured'), Mode.STRUCTURED)
    await postBatch([event('none-batch'), event('none-binary')])
    await publish(HTTP.binary(event('none-nats')))
    await publish({ headers: {}, body: event('none-structured').toString() })
  })
  expect(counts).toEqual({ rated: 4, duplicate: 2 })
})

test('data given as bytes of JSON, which the SDK writes as data_base64, is the object that it holds', async () => {
  const event = new CloudEvent({ ...usage, id: 'bytes', data: Buffer.from('{ "tokens": 7.0 }') })
  expect(JSON.parse(event.toString())).toMatchObject({ data_base64: 'eyAidG9rZW5zIjogNy4wIH0=' })
  const counts = await changeOf(async () => {
    await emit(event, Mode.STRUCTURED)
    await emit(event, Mode.BINARY)
    await emit(new CloudEvent({ ...usage, id: 'bytes' }), Mode.STRUCTURED)
  })
  expect(counts).toEqual({ rated: 1, duplicate: 2 })
})

test('one instant is the same with and without milliseconds, and with another offset', async () => {
  const times = ['2026-11-02T00:00:00Z', '2026-11-02T00:00:00.000Z', '2026-11-02T02:00:00.0+02:00']
  const events = times.map(time => ({ ...new CloudEvent({ ...usage, id: 'instant' }).toJSON(), time }))
  const counts = await changeOf(async () => {
    // The SDK itself writes every instant with milliseconds and in UTC.
    for (const time of times) await emit(new CloudEvent({ ...usage, id: 'instant', time }), Mode.BINARY)
    for (const event of events) await publish({ headers: {}, body: JSON.stringify(event) })
  })
  expect(counts).toEqual({ rated: 1, duplicate: 5 })
})

test('names of headers count in any case of letters, and values are percent-decoded once', async () => {
  const { headers, body } = HTTP.binary(new CloudEvent({ ...usage, id: 'case 50% ü', subject: 'zürich' }))
  const shouted = Object.entries(headers).map(([name, value]): [string, string] => [
    name.toUpperCase(),
    encodeURIComponent(String(value)),
  ])
  const typed = [...shouted.filter(([name]) => name.startsWith('CE-')), ['Content-Type', 'application/json']]
  const counts = await changeOf(async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const options = { method: 'POST', headers: Object.fromEntries(typed) as Record<string, string> }
      const sending = request(url, options, answer => resolve(answer.resume().statusCode))
      sending.on('error', reject).end(body)
    })
    expect(status).toBe(202)
    sent += 1
    await publish({ headers: Object.fromEntries(typed), body }, 'usage.z%C3%BCrich')
  })
  expect(counts).toEqual({ rated: 1, duplicate: 1 })
})

test('a change in binary mode is applied from the subject for changes', async () => {
  const change = new CloudEvent({
    id: 'suspended',
    source: '/cloudevents-sdk',
    type: 'weir.subscription.suspended',
    subject: customer,
    data: {
      subscription_id: 'sub_acme',
      customer_id: customer,
      sequence: 2,
      effective_from: '2027-01-01T00:00:00Z',
    },
  })
  expect(await changeOf(() => publish(HTTP.binary(change), `changes.${customer}`))).toEqual({ applied: 1 })
})

test('what NATS brings in binary mode and cannot be read is one dead letter with its attributes and its body', async () => {
  const good = HTTP.binary(new CloudEvent({ ...usage, id: 'after' }))
  const broken = HTTP.binary(new CloudEvent({ ...usage, id: 'broken' }))
  const counts = await changeOf(async () => {
    await publish({ ...broken, body: '{"tokens":' })
    await publish({
      headers: { ...broken.headers, 'ce-id': 'image', 'content-type': 'image/png' },
      body: 'x',
    })
    await publish({ headers: { ...broken.headers, 'CE-Id': 'again' }, body: '{}' })
    await publish(good)
  })
  expect(counts).toEqual({ rated: 1, dead_lettered: 3 })
  const letters = await weir.rows('dead_letters')
  const codes = letters.map(({ code, payload }) => [
    code,
    JSON.parse(String(payload)).id,
    JSON.parse(String(payload)).data,
  ])
  expect(codes).toEqual([
    ['malformed_json', 'broken', '{"tokens":'],
    ['unsupported_content_type', 'image', 'x'],
    ['invalid_attribute', 'broken', '{}'],
  ])
  expect(letters.map(({ customer_id }) => customer_id)).toEqual([customer, customer, customer])
})

test('the tables have what was accepted only when the partition has read it and its commit was delivered', async () => {
  const { jsm, nc } = weir.broker
  const sinks = await new Kvm(nc).open('weir_sinks')
  const feed = { key: 'clickhouse', stream: 'LEDGER', filterSubjects: ledgerSubjects } as const
  const has = () => caughtUp({ jsm, sinks, feed, partitions: 2, waitMs: 200 }, [customer])
  const tell = (id: string) => changeOf(() => postBatch([new CloudEvent({ ...usage, id })]))
  await tell('told')
  expect(await has()).toBe(false)
  const { state, created } = await jsm.streams.info('LEDGER')
  const record = { position: state.last_seq, intent: null, owner: '', streamCreated: created }
  await sinks.put('clickhouse', encodeRecord(record))
  expect(await has()).toBe(true)
  await tell('told-2')
  expect(await has()).toBe(false)
})
