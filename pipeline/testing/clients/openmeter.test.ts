// OpenMeter's SDK (npm `@openmeter/sdk`), the line of today and the one before it (installed as `openmeter-sdk-185`),
// against a running Weir with API keys.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { Kvm } from '@nats-io/kv'
import { type Event, HTTPError, OpenMeter } from '@openmeter/sdk'
import { OpenMeter as OlderOpenMeter } from 'openmeter-sdk-185'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApiKey, keyBucket } from '../../gateway/api-keys.js'
import { KeyRing } from '../../gateway/key-ring.js'
import { silent } from '../gateway-fixture.js'
import { type RatingWeir, startRatingWeir } from './rating-weir.js'

const customer = 'customer-1'
let weir: RatingWeir
let ring: KeyRing
let token: string
let openMeter: OpenMeter
let older: OlderOpenMeter
let sent = 0
/** The events of each request, as the SDK wrote them. */
const wire: { id: string; time: string }[][] = []

beforeAll(async () => {
  weir = await startRatingWeir([customer], async ({ nc }) => {
    const kv = await new Kvm(nc).open(keyBucket)
    token = (await createApiKey(kv, { name: 'openmeter', scopes: ['ingest:usage'] })).token
    ring = await KeyRing.open(kv, silent)
    return { keys: ring }
  })
  const watched = async (request: Request): Promise<Response> => {
    wire.push((await request.clone().json()) as { id: string; time: string }[])
    return fetch(request)
  }
  openMeter = new OpenMeter({ baseUrl: weir.url, apiKey: token, fetch: watched })
  older = new OlderOpenMeter({ baseUrl: weir.url, token })
})

afterAll(async () => {
  ring?.close()
  await weir?.close()
})

const usage = (id: string) => ({ id, type: 'llm.tokens', subject: customer, data: { tokens: 5 } })

async function changeOf(events: number, work: () => Promise<unknown>): Promise<Record<string, number>> {
  const names = ['rated', 'duplicate', 'conflicting', 'dead_lettered'] as const
  const before = names.map(name => weir.counted(name))
  await work()
  sent += events
  await weir.received(sent)
  const changes = names.map((name, i): [string, number] => [name, weir.counted(name) - before[i]!])
  return Object.fromEntries(changes.filter(([, change]) => change !== 0))
}

/** Ingests each of the events by itself, some milliseconds after the one before. */
async function ingestEach(...events: readonly Event[]): Promise<void> {
  for (const event of events) {
    await openMeter.events.ingest(event)
    await new Promise(resolve => setTimeout(resolve, 3))
  }
}

async function refusal(work: Promise<unknown>): Promise<HTTPError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof HTTPError)) throw new Error(`It was not refused: ${String(error)}`)
  return error
}

test('one event and many are taken, with whatever the application left out', async () => {
  const counts = await changeOf(4, async () => {
    expect(await openMeter.events.ingest(usage('one'))).toBeUndefined()
    await openMeter.events.ingest([usage('many-1'), { ...usage('many-2'), source: 'app' }])
    await openMeter.events.ingest({ type: 'llm.request', subject: customer })
  })
  expect(counts).toEqual({ rated: 4 })
})

test('what the application sends again with its own id is a duplicate, though the SDK stamped another time', async () => {
  const { data, ...bare } = usage('again-bare')
  const shapes: Event[] = [
    { ...usage('again'), type: 'llm.request' },
    { ...bare, type: 'llm.request' },
    { ...usage('again-source'), source: 'app' },
    { ...usage('again-version'), specversion: '1.0' },
    { specversion: '1.0', source: 'app', ...usage('again-all') },
  ]
  const from = wire.length
  const counts = await changeOf(shapes.length * 2, async () => {
    await ingestEach(...shapes, ...shapes)
    expect(data).toBeDefined()
  })
  const times = new Set(wire.slice(from).map(([event]) => event!.time))
  expect(times.size).toBe(shapes.length * 2)
  expect(counts).toEqual({ rated: shapes.length, duplicate: shapes.length })
})

test('after a time-out the application sends its batch again: each event counts once, at its first time', async () => {
  const proxy = await answerless(weir.url)
  const { port } = proxy.address() as AddressInfo
  const late = new OpenMeter({ baseUrl: `http://127.0.0.1:${port}`, apiKey: token })
  const batch = [usage('late-1'), usage('late-2')]
  const beforeMs = Date.now()
  const first = await changeOf(2, () =>
    expect(late.events.ingest(batch, { signal: AbortSignal.timeout(500) })).rejects.toThrow(/timeout/),
  )
  const betweenMs = Date.now()
  await new Promise(resolve => setTimeout(resolve, 3))
  const second = await changeOf(2, () => openMeter.events.ingest(batch))
  proxy.close()
  expect([first, second]).toEqual([{ rated: 2 }, { duplicate: 2 }])
  const rows = (await weir.rows('rated_usage')).filter(row => String(row['event_id']).startsWith('late-'))
  expect(rows).toHaveLength(2)
  for (const { event_time } of rows) {
    const timeMs = Number(event_time)
    expect(timeMs).toBeGreaterThanOrEqual(beforeMs)
    expect(timeMs).toBeLessThanOrEqual(betweenMs)
  }
})

test('an application that sets time itself has it compared', async () => {
  const now = Date.now()
  const [one, other] = [new Date(now), new Date(now + 1)]
  const past = [new Date(now - 3_600_000), new Date(now - 3_600_001)]
  const named = { specversion: '1.0', source: 'app' }
  const counts = await changeOf(12, async () => {
    for (const time of [one, other, one]) await ingestEach({ ...usage('set'), time })
    for (const time of [one, other, one]) await ingestEach({ ...named, time, ...usage('set-all') })
    // As the last member and near its arrival a time is taken for the SDK's, of the past it is not.
    for (const time of [past[0]!, past[1]!]) await ingestEach({ ...named, ...usage('set-past'), time })
    for (const time of [one, other]) await ingestEach({ ...named, ...usage('set-last'), time })
    await ingestEach({ ...usage('named'), time: null }, { ...usage('named'), time: null })
  })
  expect(counts).toEqual({ rated: 5, duplicate: 3, conflicting: 4 })
})

test('a bad key is refused with an error that the SDK reads', async () => {
  const stranger = new OpenMeter({ baseUrl: weir.url, apiKey: 'om_secret' })
  const error = await refusal(stranger.events.ingest(usage('stranger')))
  expect(error).toMatchObject({ status: 401, title: 'Not authenticated' })
  expect(error.type).toMatch(/^urn:weir:problem:/)
  expect(`urn:weir:problem:${error.getField('code')}`).toBe(error.type)
})

test('a malformed event refuses the whole batch, as OpenMeter does, and the error says which and why', async () => {
  const bad = { ...usage('bad-2'), subject: '' }
  const error = await refusal(openMeter.events.ingest([usage('bad-1'), bad]))
  expect(error.status).toBe(400)
  expect(error.message).toMatch(
    /\[400\]: 1 events are malformed.* \/1\/subject: The attribute subject is not/,
  )
  expect(error.getField('errors')).toMatchObject([{ pointer: '/1/subject', code: 'invalid_attribute' }])
  const counts = await changeOf(2, () => openMeter.events.ingest([usage('bad-1'), usage('bad-2')]))
  expect(counts).toEqual({ rated: 2 })
})

test('the older line sends no time: an event that comes again is a duplicate', async () => {
  const time = new Date('2026-11-01T00:00:00Z')
  const counts = await changeOf(6, async () => {
    for (let times = 0; times < 2; times += 1) {
      expect(await older.events.ingest(usage('older'))).toBeUndefined()
      await older.events.ingest([usage('older-1'), { ...usage('older-2'), time }])
    }
  })
  expect(counts).toEqual({ rated: 3, duplicate: 3 })
})

test('the older line reads refusals as it reads those of OpenMeter', async () => {
  const stranger = new OlderOpenMeter({ baseUrl: weir.url, token: 'om_secret' })
  await expect(stranger.events.ingest(usage('stranger'))).rejects.toMatchObject({
    statusCode: 401,
    problem: { title: 'Not authenticated' },
  })
  await expect(older.events.ingest({ ...usage('bad-3'), subject: '' })).rejects.toMatchObject({
    statusCode: 400,
    problem: { detail: expect.stringMatching(/\/0\/subject/) },
  })
})

/** A server that passes on what it is sent and never what is answered. */
async function answerless(to: string): Promise<Server> {
  const server = createServer(near => {
    const far = connect(Number(new URL(to).port), '127.0.0.1')
    near.pipe(far).resume()
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.on('close', () => far.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}
