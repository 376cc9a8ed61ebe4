// From a request at the door to published events, over a real broker: proof, storing, mapping, waiting, crashes.

import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AskedIdentity } from '../feature/identity-lookup.js'
import { until } from '../testing/engine-harness.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'
import { type SettleStep, settleSteps } from './settle.js'
import { type BenchOptions, SourceBench } from './testing/source-bench.js'
import { standardMapping, standardSamples } from './testing/standard-samples.js'

let broker: Broker
let bench: SourceBench
let place: ((step: SettleStep) => void) | undefined
const known = new Map([['cus_1', 'acme']])
const [first, second] = standardSamples.secrets

const options: BenchOptions = {
  sources: `sources:
  - name: billing
    kind: standard
    secrets: [{ variable: SECRET_A }, { variable: SECRET_B }]
    mapping: mapping.yaml
    limits: { body_kb: 8 }
`,
  files: { 'mapping.yaml': standardMapping },
  variables: { SECRET_A: first, SECRET_B: second },
  identities: {
    ours: async (asked: readonly AskedIdentity[]) => asked.map(({ id }) => known.get(id)),
    ever: async asked => asked.map(() => []),
  },
  onStep: step => place?.(step),
}

beforeAll(async () => {
  broker = await startBroker(2)
  bench = await SourceBench.start(broker, options)
})
afterAll(async () => {
  await bench?.remove()
  await broker?.close()
})

let sent = 0
const payment = (customer = 'cus_1', cents = 100) => {
  sent += 1
  const payments = [{ id: `pay_${sent}`, currency: 'eur', cents }]
  const body = JSON.stringify({
    type: 'payment.succeeded',
    timestamp: '2026-11-01T00:00:00Z',
    data: { customer, payments },
  })
  return { name: '', id: `msg_${sent}`, body }
}
const send = (sample: ReturnType<typeof payment>, secret = first) =>
  bench.send('billing', standardSamples.request(sample, secret, Date.now()))
const stored = async () => (await broker.jsm.streams.info('ARRIVALS')).state.messages
const idsOf = async () => (await bench.events()).map(({ id }) => String(id))
const isState = async (id: string, state: string) => (await bench.states())[id] === state

test('what is proven is on disk before the answer and becomes events; a second one is answered as success and kept once', async () => {
  const sample = payment()
  const [once, twice] = [await send(sample), await send(sample, second)]
  expect([once.status, await once.json()]).toEqual([200, { arrivals: 1, duplicates: 0 }])
  expect([twice.status, await twice.json()]).toEqual([200, { arrivals: 1, duplicates: 1 }])
  expect(await stored()).toBe(1)
  const kept = await broker.jsm.streams.getMessage('ARRIVALS', { seq: 1 })
  expect(kept?.string()).toBe(sample.body)
  await until(async () => isState(sample.id, 'mapped'))
  expect(await bench.events()).toMatchObject([
    { id: `${sample.id}/pay_1`, source: 'weir:standard:billing', subject: 'acme', data: { amount: '1.00' } },
  ])
})

test('what is not proven, too large, or for a source that is not there leaves nothing but a counter', async () => {
  const before = await stored()
  const good = standardSamples.request(payment(), first, Date.now())
  const { body } = good
  const unsigned = await bench.send('billing', standardSamples.withoutProof(good))
  const changed = await bench.send('billing', { ...good, body: Buffer.concat([body, Buffer.from(' ')]) })
  const nowhere = await bench.send('bill', good)
  const huge = await bench.send('billing', { ...good, body: Buffer.alloc(8_001, 32) })
  expect([unsigned, changed, nowhere, huge].map(({ status }) => status)).toEqual([401, 401, 404, 413])
  expect(await nowhere.json()).toMatchObject({ code: 'not_found', detail: 'There is no such resource.' })
  expect(await changed.text()).not.toContain('whsec')
  expect(await stored()).toBe(before)
  const text = await bench.registry.metrics()
  expect(text).toContain('weir_source_unproven_total{source="billing",code="signature_missing"} 1')
  expect(text).toContain('weir_source_unproven_total{source="billing",code="signature_invalid"} 1')
})

test('strangers who send slowly hold every place for a moment only: who signs comes through long before they are done', async () => {
  const before = await stored()
  const { hostname, port } = new URL(bench.url)
  const head = 'POST /v1/webhooks/billing HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
  const hanging = Array.from({ length: 16 }, () => {
    const socket = createConnection(Number(port), hostname)
    socket.write(`${head}content-length: 100\r\n\r\n{"half":`)
    const dripping = setInterval(() => socket.write(' '), 200)
    const answers: Buffer[] = []
    socket.on('data', bytes => answers.push(bytes)).on('error', () => undefined)
    socket.on('close', () => clearInterval(dripping))
    return { socket, end: once(socket, 'close').then(() => Buffer.concat(answers).toString()) }
  })
  await until(async () => (await send(payment('cus_1'))).status === 429)
  const began = performance.now()
  await until(async () => (await send(payment('cus_1'))).status === 200)
  expect(performance.now() - began).toBeLessThan(5_000)
  expect(await stored()).toBeGreaterThan(before)
  expect(await Promise.race(hanging.map(({ end }) => end))).toMatch(/^HTTP\/1.1 429 /)
  for (const { socket } of hanging) socket.destroy()
})

test('a sender that stops in the middle is refused and cut off', async () => {
  const { hostname, port } = new URL(bench.url)
  const socket = createConnection(Number(port), hostname)
  socket.write('POST /v1/webhooks/billing HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"half":')
  const answers: Buffer[] = []
  socket.on('data', bytes => answers.push(bytes))
  await once(socket, 'close')
  expect(Buffer.concat(answers).toString()).toMatch(/^HTTP\/1.1 408 /)
})

test('while Weir is read-only or frozen the answer is 503 with Retry-After, and nothing is kept', async () => {
  const before = await stored()
  for (const mode of ['read_only', 'frozen'] as const) {
    bench.mode = mode
    const answer = await send(payment())
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '60'])
  }
  bench.mode = 'normal'
  expect(await stored()).toBe(before)
})

test('one that waits for an id holds no neighbour up, and is freed when the id is known', async () => {
  const [waits, goes] = [payment('cus_new'), payment()]
  await send(waits)
  await send(goes)
  await until(async () => (await isState(goes.id, 'mapped')) && (await isState(waits.id, 'waiting')))
  const rows = (await bench.outcomes()).flatMap(({ outcomes }) => outcomes)
  expect(rows.find(({ arrival_id }) => arrival_id === waits.id)).toMatchObject({
    ...{ code: 'unknown_identity', events: [] },
    problems: [{ code: 'unknown_identity' }],
  })
  expect(bench.desk.statuses()).toMatchObject([{ source: 'billing', waiting: 1, trouble: undefined }])
  known.set('cus_new', 'newcomer')
  await until(async () => isState(waits.id, 'mapped'))
  expect((await bench.events()).at(-1)).toMatchObject({ subject: 'newcomer' })
  expect(bench.desk.statuses()).toMatchObject([{ waiting: 0 }])
})

test('one that waits is freed by a mended mapping; a mapping that is broken changes nothing and is told', async () => {
  const sample = {
    ...payment(),
    body: JSON.stringify({ type: 'payment.settled', timestamp: '2026-11-01T00:00:00Z', data: { x: 1 } }),
  }
  const file = join(bench.folder, 'mapping.yaml')
  const rule = (cents: string) => `  - type: payment.settled
    event: weir.payment.succeeded
    data: { payment_id: p, customer_id: acme, currency: EUR, amount: ${cents} }
`
  await writeFile(file, standardMapping + rule('$.data.amount'))
  await send(sample)
  await until(async () => isState(sample.id, 'waiting'))
  await writeFile(file, 'rules: 1')
  await until(async () => bench.desk.statuses()[0]?.trouble?.code === 'mapping_invalid')
  const other = payment()
  await send(other)
  await until(async () => isState(other.id, 'mapped'))
  await writeFile(file, standardMapping + rule('$.data.x'))
  await until(async () => isState(sample.id, 'mapped'))
  expect(
    (await bench.events()).find(
      ({ type, data }) =>
        type === 'weir.payment.succeeded' && (data as { payment_id: string }).payment_id === 'p',
    ),
  ).toMatchObject({ data: { amount: '1' } })
})

test('a crash between any two steps gives the same events once, and a second process does no harm', async () => {
  for (const step of settleSteps) {
    let crashes = 0
    const sample = payment()
    place = at => {
      if (at !== step || crashes > 0) return
      crashes += 1
      throw new Error(`a crash after ${step}`)
    }
    await send(sample)
    await until(async () => crashes === 1)
    await bench.stop()
    place = undefined
    bench = await SourceBench.start(broker, options, bench.folder)
    await until(async () => isState(sample.id, 'mapped'))
    const ids = (await idsOf()).filter(id => id.startsWith(`${sample.id}/`))
    expect(new Set(ids).size).toBe(1)
  }
  const beside = await SourceBench.start(broker, options, bench.folder)
  const samples = Array.from({ length: 20 }, () => payment())
  await Promise.all(samples.map(sample => send(sample)))
  await until(async () => {
    const states = await bench.states()
    return samples.every(({ id }) => states[id] === 'mapped')
  })
  await beside.stop()
  const last = (await bench.outcomes()).at(-1)
  expect(last?.checkpoint.arrivals).toBe(await stored())
  expect(last?.checkpoint.position).toBe((await broker.jsm.streams.info('ARRIVALS')).state.last_seq)
})

test('a payment that was sent before a crash keeps its id when the mapping is mended before the next start', async () => {
  let crashes = 0
  const sample = payment()
  place = at => {
    if (at !== 'published' || crashes > 0) return
    crashes += 1
    throw new Error('a crash')
  }
  await send(sample)
  await until(async () => crashes === 1)
  await bench.stop()
  place = undefined
  await writeFile(
    join(bench.folder, 'mapping.yaml'),
    `${standardMapping}  - { type: another, ignore: mended }\n`,
  )
  bench = await SourceBench.start(broker, options, bench.folder)
  await until(async () => isState(sample.id, 'mapped'))
  const ids = (await idsOf()).filter(id => id.startsWith(`${sample.id}/`))
  expect(ids).toEqual([ids[0], ids[0]])
})
