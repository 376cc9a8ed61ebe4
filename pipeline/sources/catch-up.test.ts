// What was missed is read from each system in the order of its own time, page by page, and a refusal for the rate is told with the
// time to wait. The job over a running Weir is in whole-way.test.ts.

import { afterEach, expect, test } from 'vitest'
import { chargebeeReach } from './chargebee/reach.js'
import { ChargebeeFake } from './chargebee/testing/chargebee-fake.js'
import { subscription as ofChargebee } from './chargebee/testing/chargebee-samples.js'
import { recurlyReach } from './recurly/reach.js'
import { RecurlyFake } from './recurly/testing/recurly-fake.js'
import { subscriptionAt } from './recurly/testing/recurly-samples.js'
import { type ArrivalDraft, type CatchUpRequest, catchUpStages, type SourceReach } from './source-kind.js'
import { stripeReach } from './stripe/reach.js'
import { type FakeEvent, StripeFake } from './stripe/testing/stripe-fake.js'
import type { ApiFake } from './testing/api-fake.js'
import { subscription as ofStripe, event as stripeEvent } from './testing/stripe-samples.js'

const [from, end] = [1_790_000_000, 1_790_600_000]
const open: ApiFake[] = []
afterEach(async () => {
  for (const api of open.splice(0)) await api.close()
})

async function opened<T extends { readonly api: ApiFake }>(fake: T): Promise<T> {
  await fake.api.open()
  open.push(fake.api)
  return fake
}

async function all(reach: SourceReach, which: CatchUpRequest['which'] = 'all'): Promise<ArrivalDraft[]> {
  const found: ArrivalDraft[] = []
  for (const stage of catchUpStages)
    for (let position: unknown; ; ) {
      const request = { fromMs: from * 1_000, untilMs: end * 1_000, stage, which, position }
      const part = await reach.catchUp!(
        JSON.parse(JSON.stringify(request)) as CatchUpRequest,
        AbortSignal.timeout(20_000),
      )
      found.push(...part.arrivals)
      position = part.position
      if (position === undefined) break
    }
  return found
}

test("Stripe's events: money first, then subscriptions, then the rest, each the oldest first, however unevenly they lie", async () => {
  const fake = await opened(new StripeFake())
  const seconds = (count: number, at: number, step: number) =>
    Array.from({ length: count }, (_, index) => at + index * step)
  // 700 within two minutes, of which 150 in one second; 40 over a week.
  const times = [
    ...seconds(40, from, 15_000),
    ...seconds(550, from + 300_000, 0.2).map(Math.floor),
    ...seconds(150, from + 300_200, 0),
  ]
  const types: readonly FakeEvent['type'][] = [
    'customer.updated',
    'payment_intent.succeeded',
    'customer.subscription.updated',
    'customer.subscription.trial_will_end',
  ]
  fake.events = times.map((created, index) => {
    const type = types[index % types.length]!
    return { ...stripeEvent(type, ofStripe(1), created), id: `evt_${index}`, created, type }
  })
  const found = await all(stripeReach(fake.api.parts()))
  expect(new Set(found.map(({ id }) => id)).size).toBe(740)
  expect(found).toHaveLength(740)
  const stageOf = (type: string) =>
    type.startsWith('payment') ? 0 : type.endsWith('subscription.updated') ? 1 : 2
  const keys = found.map(({ type, occurredAtMs = 0 }) => stageOf(type) * 1e13 + occurredAtMs)
  expect(keys).toEqual(keys.toSorted((a, b) => a - b))
  fake.undelivered.add('evt_5')
  expect((await all(stripeReach(fake.api.parts()), 'undelivered')).map(({ id }) => id)).toEqual(['evt_5'])
})

test("Recurly's lists, in the order of updated_at over pages; what was read before has the same id", async () => {
  const fake = await opened(new RecurlyFake(2))
  const at = (seconds: number) => (from + seconds) * 1_000
  const money = { object: 'transaction', id: 't', updated_at: new Date(at(900)).toISOString() }
  fake.objects.push(
    ...[50, 10, 40, 20, 30].map(seconds => subscriptionAt(at(seconds), { id: `sub${seconds}` })),
    money,
  )
  fake.objects.push(subscriptionAt((end + 60) * 1_000, { id: 'later' }))
  const found = await all(recurlyReach(fake.api.parts()))
  expect(found.map(({ id }) => id.split('@')[0])).toEqual([
    'transaction/t',
    ...[10, 20, 30, 40, 50].map(seconds => `subscription/sub${seconds}`),
  ])
  const one = await recurlyReach(fake.api.parts()).fetch!(
    { object: 'subscription', id: 'sub10' },
    AbortSignal.timeout(5_000),
  )
  expect(one).toMatchObject({ kind: 'found', arrival: { id: found[1]!.id } })
})

test('a subscription of Recurly that has just changed is read once more, since another change may have the same second', async () => {
  const fake = await opened(new RecurlyFake())
  const changedMs = from * 1_000
  fake.api.nowMs = changedMs + 1_000
  fake.objects.push({
    ...subscriptionAt(changedMs),
    get quantity() {
      return fake.api.asked.length // it changes from one reading to the next
    },
  })
  const reach = recurlyReach(fake.api.parts(), 1)
  const read = await reach.fetch!({ object: 'subscription', id: 'sub1' }, AbortSignal.timeout(5_000))
  if (read.kind !== 'found') throw new Error('it is not found')
  expect(Buffer.from(read.arrival.bytes).toString()).toContain('"quantity":2')
  fake.api.nowMs = changedMs + 3_000
  await reach.fetch!({ object: 'subscription', id: 'sub1' }, AbortSignal.timeout(5_000))
  expect(fake.api.asked).toHaveLength(3)
})

test("Chargebee's events, and its objects where they are too old", async () => {
  const fake = await opened(new ChargebeeFake())
  const types = [
    'customer_changed',
    'payment_succeeded',
    'subscription_changed',
    'subscription_trial_end_reminder',
  ]
  fake.events = Array.from({ length: 250 }, (_, index) => ({
    ...{
      id: `ev_${index}`,
      object: 'event',
      occurred_at: end - index * 100,
      event_type: types[index % 4],
      content: {},
    },
  }))
  const reach = chargebeeReach(fake.api.parts({ site: 'acme' }))
  const found = await all(reach)
  expect(new Set(found.map(({ id }) => id)).size).toBe(250)
  const stageOf = (type: string) => (type.startsWith('payment') ? 0 : type === 'subscription_changed' ? 1 : 2)
  const keys = found.map(({ type, occurredAtMs = 0 }) => stageOf(type) * 1e13 + occurredAtMs)
  expect(keys).toEqual(keys.toSorted((a, b) => a - b))
  fake.objects.set('subscription', [ofChargebee(5, end)])
  const { objects } = await reach.objects!(
    { stage: 'subscriptions', position: undefined },
    AbortSignal.timeout(5_000),
  )
  expect(objects).toMatchObject([
    { object: 'subscription', id: 'sub_1', arrival: { type: 'read.subscription' } },
  ])
})

test('a refusal for the rate says how long to wait; a wrong key, a broken answer and no key say what they are', async () => {
  const fake = await opened(new ChargebeeFake())
  const parts = fake.api.parts({ site: 'acme' })
  const read = (secret = parts.secret) =>
    chargebeeReach({ ...parts, secret }).fetch!({ object: 'event', id: 'ev_1' }, AbortSignal.timeout(5_000))
  fake.api.refuseNext([429, 7])
  await expect(read()).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 7_000 })
  expect(await read()).toMatchObject({ kind: 'gone' })
  const wrong = read(() => 'wrong-key')
  await expect(wrong).rejects.toMatchObject({ code: 'credentials_refused' })
  await expect(wrong).rejects.not.toMatchObject({ message: expect.stringContaining('wrong-key') })
  fake.events = [{ id: 'other' }]
  const keyless = { ...parts, settings: { ...parts.settings, api_key: undefined } }
  await expect(
    chargebeeReach(keyless).fetch!({ object: 'event', id: 'ev_1' }, AbortSignal.timeout(5_000)),
  ).rejects.toMatchObject({ code: 'api_key_missing' })
})
