// Stripe: the conformance suite on its fake, for invoice items and for meter events, and what is special to it.

import { afterEach, describe, expect, test } from 'vitest'
import type { ChargeWire } from '../../schemas/billing/charge.js'
import type { ConnectorRecord, PutOutcome, ReceiverDocument } from '../connector.js'
import { batchLineRecord } from '../testing/batch-line-record.js'
import { conformanceOf } from '../testing/conformance.js'
import type { Fault } from '../testing/fault.js'
import { StripeFake, type StripeFakeOptions, secrets } from './testing/fake.js'

const fakes: StripeFake[] = []
const { signal } = new AbortController()
const novemberMs = Date.UTC(2026, 10, 1)

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(options: StripeFakeOptions = {}): Promise<StripeFake> {
  const fake = await new StripeFake({ nowMs: () => novemberMs, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: StripeFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

const faults: readonly Fault[] = [
  'timeout_before_commit',
  'timeout_after_commit',
  '429_without',
  '429_with_retry_after',
  '500_then_ok',
  '500_after_commit',
  'outage',
  'credentials_refused',
  'hang',
]

conformanceOf({
  name: 'Stripe invoice items',
  start: nowMs => new StripeFake({ nowMs }).start(),
  faults: [...faults, 'currency_not_enabled'],
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => batchLineRecord(n),
})

conformanceOf({
  name: 'Stripe meter events',
  start: nowMs => new StripeFake({ nowMs, send: 'meter_events' }).start(),
  faults: ['timeout_before_commit', 'timeout_after_commit', '500_after_commit'],
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => batchLineRecord(n),
})

describe('invoice items', () => {
  test('a description that is cut ends with a whole character, since half a one cannot be sent', async () => {
    const fake = await fakeWith()
    const names = { plan: '😀'.repeat(256), price: `a${'😀'.repeat(255)}` }
    expect(await putOne(fake, batchLineRecord(1, names))).toMatchObject({ kind: 'accepted' })
    const odd = { plan: `a${'😀'.repeat(255)}` }
    expect(await putOne(fake, batchLineRecord(2, odd))).toMatchObject({ kind: 'accepted' })
  })

  test('a line is one item of its customer, with the amount of Weir, its period and our key in the metadata', async () => {
    const fake = await fakeWith()
    expect(await putOne(fake, batchLineRecord(1))).toEqual({ kind: 'accepted', externalId: 'ii_1001' })
    const [text = ''] = fake.sentTexts()
    expect(text).toMatch(/^POST \/v1\/invoiceitems\n/)
    expect(text).toContain('authorization: Bearer [secret]')
    expect(fake.items.visible()[0]?.document).toMatchObject({
      customer: 'cus_acme',
      amount: 225,
      currency: 'usd',
      description: 'pro: calls, 2026-10-01 to 2026-10-31',
      discountable: false,
      period: { start: 1_790_812_800, end: 1_793_491_199 },
      metadata: { weir_key: 'bl_0001', weir_date: '2026-10-31', weir_batch: 'b_1', weir_charge: 'ch_1' },
    })
  })

  test('a line that gives back is an item with a negative amount', async () => {
    const fake = await fakeWith()
    const credit = { kind: 'adjustment', amount_rounded: '-12.34', corrects: 'ch_0' } as const
    expect(await putOne(fake, batchLineRecord(1, credit))).toMatchObject({ kind: 'accepted' })
    expect(fake.items.visible()[0]?.document).toMatchObject({
      amount: -1234,
      description: 'pro: Adjustment of calls, 2026-10-01 to 2026-10-31',
      metadata: { weir_corrects: 'ch_0' },
    })
  })

  const amounts: readonly (readonly [string, string, number | RegExp])[] = [
    ['90071992547409.91', 'USD', 9_007_199_254_740_991],
    ['90071992547409.92', 'USD', /too large/],
    ['5000', 'JPY', 5_000],
    ['1.230', 'KWD', 1_230],
    ['1.234', 'KWD', /steps of 0\.010/],
    ['7', 'ISK', 700],
    ['7.5', 'ISK', /no amount in ISK/],
    ['7.5', 'MGA', /0 decimals of MGA/],
    ['0.005', 'USD', /no amount in USD/],
  ]
  for (const [amount, currency, expected] of amounts) {
    test(`${amount} ${currency} is ${String(expected)} in Stripe's minor units`, async () => {
      const fake = await fakeWith()
      const outcome = await putOne(fake, batchLineRecord(1, { amount_rounded: amount, currency }))
      if (typeof expected === 'number') {
        expect(outcome.kind).toBe('accepted')
        expect(fake.items.visible()[0]?.document.amount).toBe(expected)
      } else {
        expect(outcome).toMatchObject({ code: 'invalid_record', detail: expect.stringMatching(expected) })
        expect(fake.sent).toEqual([])
      }
    })
  }

  test('a stored failure of Stripe does not hold a record: once looked up and not there it goes with another key', async () => {
    const fake = await fakeWith()
    fake.fail('500_then_ok')
    expect(await putOne(fake, batchLineRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    expect(await (await fake.connector()).find(batchLineRecord(1), signal)).toEqual({ kind: 'absent' })
    expect(await putOne(fake, batchLineRecord(1))).toMatchObject({ kind: 'accepted' })
    const sent = fake.sent.filter(({ method }) => method === 'POST')
    const [first, again, other] = sent.map(({ headers }) => headers['idempotency-key'])
    expect(again).toBe(first)
    expect(other).not.toBe(first)
  })

  test('an item is found behind hundreds of others of its customer, and among its own alone', async () => {
    const fake = await fakeWith()
    const other = { customer: 'cus_acme', amount: 1, currency: 'usd', created: novemberMs / 1_000 }
    await putOne(fake, batchLineRecord(1))
    for (let n = 0; n < 250; n += 1) fake.items.add('', other, novemberMs)
    const connector = await fake.connector()
    const found = await connector.find(batchLineRecord(1), signal)
    expect(found).toEqual({ kind: 'there', externalId: 'ii_1001', state: 'posted' })
    expect(await connector.find(batchLineRecord(1, { customer_id: 'globex' }), signal)).toEqual({
      kind: 'absent',
    })
    const listed: ReceiverDocument[] = []
    for await (const one of connector.documents!({ from: '2026-10-01', until: '2026-10-31' }, signal))
      listed.push(one)
    expect(listed).toEqual([
      {
        key: 'bl_0001',
        externalId: 'ii_1001',
        state: 'posted',
        date: '2026-10-31',
        currency: 'USD',
        debit: '2.25',
      },
    ])
  })

  test('a customer that Stripe does not have, and one that nothing maps, are told in words', async () => {
    const fake = await fakeWith()
    const given = { mapping: 'customers: { acme: cus_gone }' }
    expect(await putOne(fake, batchLineRecord(1), given)).toEqual({
      kind: 'refused',
      code: 'customer_not_mapped',
      detail: "resource_missing; No such customer: 'cus_gone'; parameter customer; req_1",
    })
    expect(await putOne(fake, batchLineRecord(1, { customer_id: 'initech' }))).toMatchObject({
      code: 'customer_not_mapped',
      detail: expect.stringContaining('it has no external id billing'),
    })
  })

  test('a key that is refused stops the connection and is not kept in its words', async () => {
    const fake = await fakeWith()
    const outcome = await putOne(fake, batchLineRecord(1), { secrets: { STRIPE_KEY: 'sk_test_other' } })
    expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
    expect(JSON.stringify(outcome)).not.toContain('sk_test_other')
    expect(await putOne(fake, batchLineRecord(1), { secrets: {} })).toMatchObject({
      code: 'credentials_missing',
    })
  })
})

describe('meter events', () => {
  const send = 'meter_events'

  test('a line of usage is one event with its quantity as text, under our key', async () => {
    const fake = await fakeWith({ send })
    const quantity = '123456789012345678.000000000001'
    expect(await putOne(fake, batchLineRecord(1, { quantity }))).toEqual({
      kind: 'accepted',
      externalId: 'bl_0001',
    })
    expect(fake.events.visible()[0]?.document).toEqual({
      event_name: 'api_calls',
      identifier: 'bl_0001',
      timestamp: 1_793_491_199,
      payload: { stripe_customer_id: 'cus_acme', value: quantity },
    })
  })

  test('an event that Stripe has already is accepted; after a day nothing is repeated', async () => {
    let nowMs = novemberMs
    const fake = await fakeWith({ send, nowMs: () => nowMs })
    fake.fail('timeout_after_commit')
    expect(await putOne(fake, batchLineRecord(1))).toMatchObject({ kind: 'unclear' })
    const connector = await fake.connector()
    expect(await connector.find(batchLineRecord(1), signal)).toEqual({ kind: 'repeatable' })
    expect(await putOne(fake, batchLineRecord(1))).toEqual({ kind: 'accepted', externalId: 'bl_0001' })
    nowMs += 24 * 3_600_000
    expect(await connector.find(batchLineRecord(1), signal)).toMatchObject({ kind: 'unknown_yet' })
  })

  const refusals: readonly (readonly [string, Partial<ChargeWire>, object])[] = [
    [
      'a recurring charge is no event',
      { meter: '', kind: 'recurring' },
      { kind: 'not_for_receiver', code: 'no_usage' },
    ],
    ['a meter that nothing maps is told', { meter: 'bytes' }, { code: 'unmapped_value' }],
    [
      'usage of more than 35 days ago is refused in the words of Stripe',
      { service_period: { from: '2026-08-01T00:00:00Z', until: '2026-09-01T00:00:00Z' } },
      { code: 'receiver_refused', detail: expect.stringContaining('timestamp_too_far_in_past') },
    ],
  ]
  for (const [claim, changes, expected] of refusals) {
    test(claim, async () => {
      const fake = await fakeWith({ send })
      expect(await putOne(fake, batchLineRecord(1, changes))).toMatchObject({ kind: 'refused', ...expected })
      expect(fake.events.keys()).toEqual([])
    })
  }
})
