// The libraries of Stripe, Orb, Metronome and Lago send usage to a running Weir: nothing is changed but the address and the key.

import Metronome from '@metronome/sdk'
import { getLagoError, LagoRateLimitError, Client as lagoClient } from 'lago-javascript-client'
import Orb from 'orb-billing'
import Stripe from 'stripe'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { customer, type ProducingWeir, startProducingWeir } from './producing-weir.js'

let weir: ProducingWeir
let stripe: Stripe
let orb: Orb
let metronome: Metronome
let lago: ReturnType<typeof lagoClient>

function clientOf(token: string, options: object = {}): Stripe {
  const { hostname, port } = new URL(weir.url)
  return new Stripe(token, { host: hostname, port, protocol: 'http', telemetry: false, ...options })
}

beforeAll(async () => {
  weir = await startProducingWeir()
  stripe = clientOf(weir.token)
  orb = new Orb({ apiKey: weir.token, baseURL: `${weir.url}/producers/orb/v1` })
  metronome = new Metronome({ bearerToken: weir.token, baseURL: `${weir.url}/producers/metronome` })
  lago = lagoClient(weir.token, {
    baseUrl: `${weir.url}/producers/lago/api/v1`,
    rateLimitRetry: { maxRetries: 2 },
  })
})

afterAll(() => weir?.close())

const event = (identifier: string, tokens = '5') => ({
  event_name: 'llm.tokens',
  identifier,
  payload: { stripe_customer_id: customer, tokens },
  timestamp: 1_750_000_000,
})

/** The error that the work ended with. */
async function refusal(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error(`It was not refused: ${String(error)}`)
  return error
}

test('Stripe: an event is rated once, however often it is sent; with other content it conflicts', async () => {
  const counts = await weir.changeOf(3, async () => {
    const created = await stripe.billing.meterEvents.create(event('one', '12345678901234567890.123456789012'))
    expect(created).toMatchObject({
      object: 'billing.meter_event',
      event_name: 'llm.tokens',
      identifier: 'one',
      timestamp: 1_750_000_000,
    })
    await stripe.billing.meterEvents.create(event('one', '12345678901234567890.123456789012'))
    await stripe.billing.meterEvents.create(event('one', '6'))
  })
  expect(counts).toEqual({ rated: 1, duplicate: 1, conflicting: 1 })
  const [row] = await weir.rows('rated_usage')
  expect(row).toMatchObject({ event_source: 'stripe', event_id: 'one', customer_id: customer })
  expect(String(row?.['quantity'])).toBe('12345678901234567890123456789012')
})

test('Stripe: an event without an identifier is the same at each retry of the library', async () => {
  const { event_name, payload } = event('')
  const counts = await weir.changeOf(2, async () => {
    for (let time = 0; time < 2; time += 1)
      await stripe.billing.meterEvents.create({ event_name, payload }, { idempotencyKey: 'the-same' })
  })
  expect(counts).toEqual({ rated: 1, duplicate: 1 })
})

test('Stripe: the second API and the stream of a session take events too', async () => {
  const timestamp = '2025-07-01T00:00:00.5Z'
  const counts = await weir.changeOf(4, async () => {
    const single = { ...event('v2'), timestamp }
    expect(await stripe.v2.billing.meterEvents.create(single)).toMatchObject({ identifier: 'v2', timestamp })
    const session = await stripe.v2.billing.meterEventSession.create()
    const stream = clientOf(session.authentication_token)
    await stream.v2.billing.meterEventStream.create({
      events: ['s1', 's2', 's1'].map(id => ({ ...event(id), timestamp })),
    })
    expect(await refusal(stream.billing.meterEventAdjustments.create(cancel('v2')))).toMatchObject({
      type: 'StripePermissionError',
    })
  })
  expect(counts).toEqual({ rated: 3, duplicate: 1 })
})

const cancel = (identifier: string) =>
  ({ event_name: 'llm.tokens', type: 'cancel', cancel: { identifier } }) as const

test('Stripe: an adjustment takes an event back, once; one of an unknown event is told', async () => {
  await weir.changeOf(1, () => stripe.billing.meterEvents.create(event('back')))
  const counts = await weir.changeOf(2, async () => {
    const adjusted = await stripe.billing.meterEventAdjustments.create(cancel('back'))
    expect(adjusted).toMatchObject({ object: 'billing.meter_event_adjustment', status: 'complete' })
    await stripe.v2.billing.meterEventAdjustments.create(cancel('back'))
  })
  expect(counts).toEqual({ applied: 1, duplicate: 1 })
  const error = await refusal(stripe.billing.meterEventAdjustments.create(cancel('unknown')))
  expect(error).toMatchObject({ type: 'StripeInvalidRequestError', code: 'unknown_event', statusCode: 404 })
})

test('Stripe: what is wrong is told by the errors of the library, and nothing of it is taken', async () => {
  const create = stripe.billing.meterEvents.create.bind(stripe.billing.meterEvents)
  const { payload, ...rest } = event('bad')
  const counts = await weir.changeOf(0, async () => {
    expect(await refusal(create({ ...rest, payload: { tokens: '1' } }))).toMatchObject({
      type: 'StripeInvalidRequestError',
      code: 'parameter_missing',
      param: 'payload[stripe_customer_id]',
      message: 'payload[stripe_customer_id] is missing.',
    })
    expect(await refusal(create({ ...rest, payload, timestamp: 5_000_000_000 }))).toMatchObject({
      code: 'timestamp_in_future',
      param: 'timestamp',
    })
    expect(
      await refusal(create({ ...rest, payload, other: 1 } as typeof rest & { payload: typeof payload })),
    ).toMatchObject({
      code: 'parameter_unknown',
    })
    expect(
      await refusal(create({ ...rest, payload, event_name: 'weir.subscription.cancelled' })),
    ).toMatchObject({
      param: 'event_name',
    })
    expect(
      await refusal(create({ ...rest, payload: { ...payload, note: 'x'.repeat(60_000) } })),
    ).toMatchObject({
      statusCode: 413,
      code: 'body_too_large',
    })
    const events = [event('good'), { ...event('worse'), payload: {} }].map(one => ({
      ...one,
      timestamp: '2025-07-01T00:00:00Z',
    }))
    expect(await refusal(stripe.v2.billing.meterEventStream.create({ events }))).toMatchObject({
      type: 'StripeInvalidRequestError',
      message: 'events[1]: payload[stripe_customer_id] is missing.',
    })
    const many = Array.from({ length: 101 }, (_, at) => ({ ...events[0]!, identifier: `m${at}` }))
    expect((await refusal(stripe.v2.billing.meterEventStream.create({ events: many }))).message).toContain(
      '1 to 100',
    )
  })
  expect(counts).toEqual({})
})

test('Stripe: a wrong key, a key without the scope, and a session that has ended', async () => {
  const wrong = clientOf('weir_000000000000_wrong')
  expect(await refusal(wrong.billing.meterEvents.create(event('x')))).toMatchObject({
    type: 'StripeAuthenticationError',
    code: 'invalid_token',
  })
  expect(await refusal(clientOf(weir.reader).billing.meterEvents.create(event('x')))).toMatchObject({
    type: 'StripePermissionError',
  })
  const events = [{ ...event('x'), timestamp: '2025-07-01T00:00:00Z' }]
  expect(await refusal(wrong.v2.billing.meterEventStream.create({ events }))).toMatchObject({
    type: 'TemporarySessionExpiredError',
  })
  const basic = `Basic ${Buffer.from(`${weir.token}:`).toString('base64')}`
  const body = 'event_name=llm.tokens&identifier=curl&payload[stripe_customer_id]=c&payload[tokens]=1'
  const answer = await fetch(`${weir.url}/v1/billing/meter_events`, {
    method: 'POST',
    body,
    headers: { authorization: basic },
  })
  expect(answer.status).toBe(200)
  await weir.changeOf(1, async () => {})
})

test('Stripe: the library comes back by itself after a 429 and a 503, and is told where it may not', async () => {
  const counts = await weir.changeOf(2, async () => {
    weir.refuseOnce('slow')
    const first = stripe.billing.meterEvents.create(event('again-1'))
    await weir.refused()
    weir.refuseOnce('stopped')
    await Promise.all([
      first,
      stripe.v2.billing.meterEvents.create({ ...event('again-2'), timestamp: '2025-07-01T00:00:00Z' }),
    ])
  })
  expect(counts).toEqual({ rated: 2 })
  const impatient = clientOf(weir.token, { maxNetworkRetries: 0 })
  weir.refuseOnce('slow')
  expect(await refusal(impatient.billing.meterEvents.create(event('now')))).toMatchObject({
    type: 'StripeRateLimitError',
    headers: expect.objectContaining({ 'retry-after': '1' }) as unknown,
  })
})

const orbEvent = (key: string, more: object = {}) => ({
  event_name: 'llm.tokens',
  idempotency_key: key,
  external_customer_id: customer,
  timestamp: '2025-06-15T10:00:00Z',
  properties: { tokens: 5 },
  ...more,
})

test('Orb: events are rated once; what is wrong is told by key, and its neighbours are taken', async () => {
  const counts = await weir.changeOf(5, async () => {
    const events = [orbEvent('o1'), orbEvent('o2', { timestamp: '2025-06-15T10:00:00' })]
    expect(await orb.events.ingest({ events })).toEqual({ validation_failed: [] })
    expect(await orb.events.ingest({ events: [orbEvent('o1')] }, { query: { debug: 'true' } })).toEqual({
      validation_failed: [],
      debug: { ingested: ['o1'], duplicate: [] },
    })
    expect(await orb.events.ingest({ events: [orbEvent('o1', { properties: { tokens: 6 } })] })).toBeDefined()
    const bad = [
      orbEvent('o3'),
      orbEvent('o4', { external_customer_id: null }),
      orbEvent('o5', { timestamp: '2100-01-01T00:00:00Z' }),
    ]
    const error = await refusal(orb.events.ingest({ events: bad }))
    expect(error).toBeInstanceOf(Orb.RequestValidationError)
    expect((error as InstanceType<typeof Orb.APIError>).error).toMatchObject({
      validation_failed: [
        {
          idempotency_key: 'o4',
          validation_errors: ['customer_id or external_customer_id is missing'],
        },
        {
          idempotency_key: 'o5',
          validation_errors: ['timestamp is more than 5 minutes in the future'],
        },
      ],
    })
    expect(error.message).toContain('o4: customer_id or external_customer_id is missing')
  })
  expect(counts).toEqual({ rated: 3, duplicate: 1, conflicting: 1 })
})

test('Orb: two events of a request with one key and other content: none is taken', async () => {
  const counts = await weir.changeOf(0, async () => {
    const events = [orbEvent('t1'), orbEvent('t2'), orbEvent('t2', { properties: {} })]
    expect((await refusal(orb.events.ingest({ events }))).message).toContain('t2')
  })
  expect(counts).toEqual({})
})

const metronomeEvent = (id: string, more: object = {}) => ({
  transaction_id: id,
  customer_id: customer,
  event_type: 'llm.tokens',
  timestamp: '2025-06-15T10:00:00.25Z',
  properties: { tokens: '5' },
  ...more,
})

test('Metronome: events are rated once; a list with a bad one, and one of 101, are refused whole', async () => {
  const counts = await weir.changeOf(4, async () => {
    await metronome.v1.usage.ingest({ usage: [metronomeEvent('m1'), metronomeEvent('m2')] })
    await metronome.v1.usage.ingest({ usage: [metronomeEvent('m1')] })
    await metronome.v1.usage.ingest({ usage: [metronomeEvent('m1', { properties: {} })] })
    const bad = [metronomeEvent('m3'), metronomeEvent('m4', { timestamp: 'today', event_type: '' })]
    const error = await refusal(metronome.v1.usage.ingest({ usage: bad }))
    expect(error).toBeInstanceOf(Metronome.BadRequestError)
    expect(error.message).toContain('event 1: event_type is missing; event 1: timestamp is not an RFC 3339')
    const many = Array.from({ length: 101 }, (_, at) => metronomeEvent(`n${at}`))
    expect((await refusal(metronome.v1.usage.ingest({ usage: many }))).message).toContain('at most 100')
  })
  expect(counts).toEqual({ rated: 2, duplicate: 1, conflicting: 1 })
})

test('Orb and Metronome are told apart where only the host is changed', async () => {
  const counts = await weir.changeOf(2, async () => {
    const host = new Orb({ apiKey: weir.token, baseURL: `${weir.url}/v1` })
    expect(await host.events.ingest({ events: [orbEvent('h1')] })).toEqual({ validation_failed: [] })
    const other = new Metronome({ bearerToken: weir.token, baseURL: weir.url })
    await other.v1.usage.ingest({ usage: [metronomeEvent('h1')] })
    expect((await refusal(other.v1.usage.ingest({ usage: [{}] as never }))).message).toContain(
      'transaction_id is missing',
    )
    const refused = new Metronome({ bearerToken: 'weir_0', baseURL: weir.url, maxRetries: 0 })
    expect((await refusal(refused.v1.usage.ingest({ usage: [] }))).message).toContain('API key')
  })
  expect(counts).toEqual({ rated: 2 })
})

const lagoEvent = (id: string, more: object = {}) => ({
  transaction_id: id,
  external_subscription_id: `sub_${customer}`,
  code: 'llm.tokens',
  timestamp: '1750000000.123',
  properties: { tokens: 5 },
  ...more,
})

async function lagoRefusal(work: Promise<unknown>): Promise<Record<string, unknown>> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return (await getLagoError(error)) as unknown as Record<string, unknown>
}

test('Lago: an event goes to the customer of its subscription, once; one of an unknown subscription waits', async () => {
  const counts = await weir.changeOf(5, async () => {
    const { data } = await lago.events.createEvent({ event: lagoEvent('l1') })
    expect(data.event).toMatchObject({ transaction_id: 'l1', timestamp: '2025-06-15T15:06:40.123Z' })
    await lago.events.createEvent({ event: lagoEvent('l1') })
    await lago.events.createEvent({ event: lagoEvent('l1', { timestamp: 1750000000.124 }) })
    const events = [lagoEvent('l2'), lagoEvent('l3', { external_subscription_id: 'sub_none' })]
    expect((await lago.events.createBatchEvents({ events })).data.events).toHaveLength(2)
  })
  expect(counts).toEqual({ rated: 2, duplicate: 1, conflicting: 1, parked: 1 })
})

test('Lago: what is wrong is told by field and place, and nothing of it is taken', async () => {
  const counts = await weir.changeOf(0, async () => {
    const { code: _, ...nameless } = lagoEvent('b1')
    expect(await lagoRefusal(lago.events.createEvent({ event: nameless as never }))).toMatchObject({
      status: 422,
      code: 'validation_errors',
      error_details: { code: ['value_is_mandatory'] },
    })
    const events = [lagoEvent('b2'), lagoEvent('b3', { timestamp: 'today' })]
    expect(await lagoRefusal(lago.events.createBatchEvents({ events }))).toMatchObject({
      error_details: { 1: { timestamp: ['invalid_format'] } },
    })
    const many = Array.from({ length: 101 }, (_, at) => lagoEvent(`n${at}`))
    expect(await lagoRefusal(lago.events.createBatchEvents({ events: many }))).toMatchObject({
      error_details: { events: ['too_many_events'] },
    })
    const wrong = lagoClient('weir_0', { baseUrl: `${weir.url}/producers/lago/api/v1` })
    expect(await lagoRefusal(wrong.events.createEvent({ event: lagoEvent('b4') }))).toMatchObject({
      status: 401,
      error: 'Unauthorized',
    })
  })
  expect(counts).toEqual({})
})

test('Lago and OpenMeter are told apart where only the host is changed', async () => {
  const counts = await weir.changeOf(3, async () => {
    const host = lagoClient(weir.token, { baseUrl: `${weir.url}/api/v1` })
    expect((await host.events.createEvent({ event: lagoEvent('h2') })).status).toBe(200)
    expect((await host.events.createBatchEvents({ events: [lagoEvent('h3')] })).status).toBe(200)
    expect(await lagoRefusal(host.events.createEvent({ event: {} as never }))).toMatchObject({ status: 422 })
    const headers = { authorization: `Bearer ${weir.token}`, 'content-type': 'application/json' }
    const cloudEvent = { specversion: '1.0', id: 'om', source: 's', type: 'llm.tokens', subject: customer }
    const body = JSON.stringify({ ...cloudEvent, data: { tokens: 1 } })
    const answer = await fetch(`${weir.url}/api/v1/events`, { method: 'POST', headers, body })
    expect(answer.status).toBe(204)
    const empty = await fetch(`${weir.url}/api/v1/events`, { method: 'POST', headers, body: '' })
    expect([empty.status, empty.headers.get('content-type')]).toEqual([400, 'application/problem+json'])
  })
  expect(counts).toEqual({ rated: 3 })
})

test('Orb, Metronome, Lago: a wrong key, a body too large, and refusals after which the libraries come back by themselves', async () => {
  const large = { properties: { note: 'x'.repeat(60_000) } }
  expect(await refusal(orb.events.ingest({ events: [orbEvent('x', large)] }))).toBeInstanceOf(
    Orb.RequestTooLarge,
  )
  expect(await refusal(metronome.v1.usage.ingest({ usage: [metronomeEvent('x', large)] }))).toMatchObject({
    status: 413,
  })
  expect(await lagoRefusal(lago.events.createEvent({ event: lagoEvent('x', large) }))).toMatchObject({
    status: 413,
  })
  const wrong = new Orb({ apiKey: 'weir_0', baseURL: `${weir.url}/producers/orb/v1` })
  expect(await refusal(wrong.events.ingest({ events: [] }))).toBeInstanceOf(Orb.OrbAuthenticationError)
  const counts = await weir.changeOf(3, async () => {
    weir.refuseOnce('stopped')
    const first = orb.events.ingest({ events: [orbEvent('r1')] })
    await weir.refused()
    weir.refuseOnce('slow')
    const second = metronome.v1.usage.ingest({ usage: [metronomeEvent('r2')] })
    await weir.refused()
    weir.refuseOnce('slow')
    const third = lago.events.createEvent({ event: lagoEvent('r3') })
    await Promise.all([first, second, third])
  })
  expect(counts).toEqual({ rated: 3 })
  weir.refuseOnce('slow')
  const hasty = lagoClient(weir.token, {
    baseUrl: `${weir.url}/producers/lago/api/v1`,
    rateLimitRetry: { maxRetries: 0 },
  })
  const limited = await refusal(hasty.events.createEvent({ event: lagoEvent('r4') }))
  expect(limited).toBeInstanceOf(LagoRateLimitError)
  expect(limited).toMatchObject({ reset: 1 })
})
