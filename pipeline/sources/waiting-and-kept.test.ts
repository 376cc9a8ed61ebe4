// Over a real broker: two states of one second, what waits beyond the bound of memory, and how long arrivals are kept.

import { jetstream } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../testing/engine-harness.js'
import { type Broker, startBroker } from '../testing/gateway-fixture.js'
import { purgeOld } from './keep-arrivals.js'
import { StripeFake } from './stripe/testing/stripe-fake.js'
import { lookupOf } from './testing/lookup-of.js'
import { SourceBench } from './testing/source-bench.js'
import { event, sampleOf, stripeSamples, subscription } from './testing/stripe-samples.js'
import { type WaitingArrival, WaitingShelf } from './waiting-shelf.js'

let broker: Broker
let bench: SourceBench
const stripe = new StripeFake()
const known = new Map([...stripeSamples.identities].map(([key, ours]) => [key, ours]))

beforeAll(async () => {
  broker = await startBroker(2)
  await stripe.api.open()
  bench = await SourceBench.start(broker, {
    sources: `sources:
  - { name: stripe, kind: stripe, secrets: [ { variable: SECRET } ], api_key: { variable: KEY }, api_url: "${stripe.api.url}" }
`,
    variables: { SECRET: stripeSamples.secrets[0], KEY: 'key' },
    identities: lookupOf(known),
  })
})
afterAll(async () => {
  await bench?.remove()
  await stripe.api.close()
  await broker?.close()
})

const second = 1_767_300_000
const changed = (id: string, seats: number) =>
  sampleOf(id, event('customer.subscription.updated', subscription(seats), second))
const send = (sample: ReturnType<typeof changed>) =>
  bench.send('stripe', stripeSamples.request(sample, stripeSamples.secrets[0], Date.now()))
const stateOf = async (id: string) => (await bench.states())[id]

test('two states of one second: the subscription is read, the arrival is superseded by it, and what was read wins', async () => {
  stripe.api.nowMs = second * 1_000
  stripe.objects.set('subscriptions/sub_1', subscription(7))
  await send(changed('evt_a', 5))
  await until(async () => (await stateOf('evt_a')) === 'mapped')
  await send(changed('evt_b', 7))
  await until(async () => (await stateOf('evt_b')) === 'superseded')
  await until(async () => (await stateOf(`subscription/sub_1@${second}`)) === 'mapped')
  const rows = (await bench.outcomes()).flatMap(({ outcomes }) => outcomes)
  expect(rows.findLast(({ arrival_id }) => arrival_id === 'evt_b')).toMatchObject({
    ...{ code: 'fetched', superseded_by: `subscription/sub_1@${second}`, events: [] },
  })
  const versions = (await bench.events()).filter(({ type }) => type === 'weir.subscription.created')
  const newest = versions.toSorted((a, b) => sequenceOf(a) - sequenceOf(b)).at(-1)
  expect(newest).toMatchObject({ data: { quantities: { seats: '7' } } })
  expect(stripe.api.asked).toEqual(['/v1/subscriptions/sub_1'])
  await send(changed('evt_b', 7))
  expect(stripe.api.asked).toHaveLength(1)
})

const sequenceOf = ({ data }: Record<string, unknown>) =>
  Number((data as Record<string, unknown>)['sequence'])

test('arrivals with an outcome are purged when they are old enough, and never one that waits or what came after it', async () => {
  const [done, waits, later] = ['evt_done', 'evt_waits', 'evt_later']
  const payment = (id: string, customer: string) => {
    const intent = { id: `pi_${id}`, customer, currency: 'eur', amount: 5, amount_received: 5 }
    return sampleOf(id, event('payment_intent.succeeded', intent, second))
  }
  await send(payment(done, 'cus_1'))
  await send(payment(waits, 'cus_nobody'))
  await send(payment(later, 'cus_1'))
  await until(async () => (await stateOf(later)) === 'mapped' && (await stateOf(waits)) === 'waiting')
  const running = bench.desk.named('stripe')!
  const isKept = async (id: string) => (await bench.desk.arrivals.find('stripe', id)) !== undefined
  expect(await purgeOld(broker.jsm, running, 2, Date.now())).toBe(0)
  expect(await purgeOld(broker.jsm, running, 2, Date.now() + 3 * 86_400_000)).toBeGreaterThan(0)
  expect(await Promise.all([done, waits, later].map(isKept))).toEqual([false, true, true])
  known.set('customer cus_nobody', 'somebody')
  await until(async () => (await stateOf(waits)) === 'mapped')
  await purgeOld(broker.jsm, running, 2, Date.now() + 3 * 86_400_000)
  expect(await Promise.all([waits, later].map(isKept))).toEqual([false, false])
})

test('the shelf holds so many in memory; those beyond are counted, kept in the bucket, and read when there is room', async () => {
  const kv = await new Kvm(jetstream(broker.nc)).open('weir_arrivals')
  const entry = (sequence: number): WaitingArrival => ({
    ...{ arrival_id: `a${sequence}`, sequence, code: 'unknown_identity', detail: '' },
    ...{ since: '2026-11-01T00:00:00Z', mapping: 'm', needs: [] },
  })
  const shelf = new WaitingShelf(kv, 'bounded', 4)
  for (const sequence of [9, 8, 7, 6, 5, 4, 3, 2]) await shelf.put(entry(sequence))
  expect([shelf.size, shelf.all().length, shelf.oldestSequence]).toEqual([8, 4, 2])
  await shelf.refill()
  expect(shelf.all()).toHaveLength(4)
  await shelf.refresh('a2')
  expect([shelf.size, shelf.get('a2')?.sequence]).toEqual([8, 2])
  for (const one of shelf.all().slice(0, 3)) await shelf.take(one.arrival_id)
  await shelf.refill()
  expect([shelf.size, shelf.all().length]).toEqual([5, 4])
  const again = new WaitingShelf(kv, 'bounded', 4)
  await again.open()
  expect([again.size, again.all().length]).toEqual([5, 4])
})
