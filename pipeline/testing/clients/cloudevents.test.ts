// The CloudEvents SDK (npm `cloudevents`) against a running gateway: what it sends is stored as it meant it.

import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Broker, type Served, serve, startBroker, storedMessages } from '../gateway-fixture.js'

const partitions = 2
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

const event = (id: string) =>
  new CloudEvent({
    id,
    source: '/cloudevents-sdk',
    type: 'llm.request',
    subject: 'acme',
    time: '2026-01-01T00:00:00.000Z',
    data: { tokens: 7 },
  })

async function storedEvents(...ids: string[]): Promise<Record<string, unknown>[]> {
  const messages = await storedMessages(broker, 'METERING')
  return messages.flatMap(({ events }) => events).filter(one => ids.includes(String(one['id'])))
}

test.each([
  [Mode.STRUCTURED, 'structured-1'],
  [Mode.BINARY, 'binary-1'],
])('an event that the emitter sends in %s mode is stored', async (mode, id) => {
  const answers: unknown[] = []
  const transport = httpTransport(url)
  const emit = emitterFor(async message => answers.push(await transport(message)), { mode })
  await emit(event(id))
  expect(answers).toMatchObject([{ body: expect.stringContaining('"accepted":1') }])
  expect(await storedEvents(id)).toMatchObject([{ id, subject: 'acme', data: { tokens: 7 } }])
})

test('a batch that the SDK writes and reads is stored whole', async () => {
  const batch = ['batch-1', 'batch-2'].map(id => event(id))
  const headers = { 'content-type': 'application/cloudevents-batch+json' }
  const body = JSON.stringify(batch)
  expect(HTTP.toEvent({ headers, body })).toHaveLength(2)
  const response = await fetch(url, { method: 'POST', headers, body })
  expect(response.status).toBe(202)
  expect(await storedEvents('batch-1', 'batch-2')).toHaveLength(2)
})
