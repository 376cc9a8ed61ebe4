// Chargebee: the conformance suite on its fake, and what is special to it.

import { afterEach, describe, expect, test } from 'vitest'
import type { ChargeWire } from '../../schemas/billing/charge.js'
import type { ConnectorRecord, PutOutcome, ReceiverDocument } from '../connector.js'
import { batchLineRecord } from '../testing/batch-line-record.js'
import { conformanceOf } from '../testing/conformance.js'
import { ChargebeeFake, type ChargebeeFakeOptions, secrets } from './testing/fake.js'

const fakes: ChargebeeFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(options: ChargebeeFakeOptions = {}): Promise<ChargebeeFake> {
  const fake = await new ChargebeeFake(options).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: ChargebeeFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

conformanceOf({
  name: 'Chargebee',
  start: nowMs => new ChargebeeFake({ nowMs }).start(),
  faults: [
    'timeout_before_commit',
    'timeout_after_commit',
    '429_without',
    '429_with_retry_after',
    '500_then_ok',
    '500_after_commit',
    'outage',
    'credentials_refused',
    'hang',
    'duplicate_key',
  ],
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => batchLineRecord(n),
})

test('a line is one usage of its subscription and item price, under our key, within the last hour of its period', async () => {
  const fake = await fakeWith()
  const quantity = '123456789012345678.000000000001'
  expect(await putOne(fake, batchLineRecord(1, { quantity }))).toEqual({
    kind: 'accepted',
    externalId: 'bl_0001',
  })
  const [text = ''] = fake.sentTexts()
  expect(text).toMatch(/^POST \/api\/v2\/subscriptions\/s_1\/usages\n/)
  expect(text).toContain('authorization: Basic [secret]')
  const usage = fake.usages.visible()[0]?.document
  expect(usage).toMatchObject({
    id: 'bl_0001',
    subscription_id: 's_1',
    item_price_id: 'calls-USD-Monthly',
    quantity,
    note: 'Weir c 2026-10-31 pro: calls, 2026-10-01 to 2026-10-31',
  })
  const lastSecond = Date.UTC(2026, 10, 1) / 1_000 - 1
  expect(lastSecond - Number(usage?.usage_date)).toBeGreaterThanOrEqual(0)
  expect(lastSecond - Number(usage?.usage_date)).toBeLessThan(3_600)
})

test('with quantity: amount the quantity is the amount in minor units', async () => {
  const fake = await fakeWith({ quantity: 'amount' })
  await putOne(fake, batchLineRecord(1, { amount_rounded: '90071992547409.93' }))
  await putOne(fake, batchLineRecord(2, { amount_rounded: '500', currency: 'JPY' }))
  expect(fake.usages.visible().map(({ document }) => document.quantity)).toEqual(['9007199254740993', '500'])
})

test('later usage of the same period has a second of its own', async () => {
  const fake = await fakeWith()
  const same = { subscription_id: 's_1' } as const
  for (let n = 0; n < 8; n += 1)
    expect(await putOne(fake, batchLineRecord(n, same))).toMatchObject({ kind: 'accepted' })
  expect(new Set(fake.usages.visible().map(({ document }) => document.usage_date)).size).toBe(8)
})

test('a usage that is there already is accepted, and is there once', async () => {
  const fake = await fakeWith()
  await putOne(fake, batchLineRecord(1))
  expect(await putOne(fake, batchLineRecord(1))).toEqual({ kind: 'accepted', externalId: 'bl_0001' })
  expect(fake.usages.keys()).toEqual(['bl_0001'])
})

describe('what Chargebee cannot take is refused in words', () => {
  const refusals: readonly (readonly [string, Partial<ChargeWire>, object])[] = [
    [
      'a line that gives back',
      { kind: 'adjustment', quantity: '-5', amount_rounded: '-1.25', corrects: 'ch_0' },
      { code: 'invalid_record', detail: expect.stringContaining('no usage of -5') },
    ],
    ['no usage at all', { quantity: '0' }, { code: 'invalid_record' }],
    ['a price that nothing maps', { price: 'other' }, { code: 'unmapped_value' }],
    [
      'a subscription that is not there',
      { subscription_id: 'gone_1' },
      { code: 'receiver_refused', detail: 'resource_not_found; There is no subscription gone_1.' },
    ],
  ]
  for (const [claim, changes, expected] of refusals) {
    test(claim, async () => {
      const fake = await fakeWith()
      expect(await putOne(fake, batchLineRecord(1, changes))).toMatchObject({ kind: 'refused', ...expected })
      expect(fake.usages.keys()).toEqual([])
    })
  }
})

test('documents are read page by page, ours alone, by their accounting date', async () => {
  const fake = await fakeWith()
  await putOne(fake, batchLineRecord(1))
  const [own] = fake.usages.visible()
  for (let n = 0; n < 230; n += 1)
    fake.usages.add(`x_${n}`, { ...own!.document, id: `x_${n}`, note: 'by hand' }, 0)
  await putOne(fake, batchLineRecord(2, { subscription_id: 's_9' }))
  const connector = await fake.connector()
  const listed = async (from: string, until: string): Promise<string[]> => {
    const keys: ReceiverDocument[] = []
    for await (const one of connector.documents!({ from, until }, signal)) keys.push(one)
    return keys.map(({ key }) => key)
  }
  expect(await listed('2026-10-31', '2026-10-31')).toEqual(['bl_0001', 'bl_0002'])
  expect(await listed('2026-11-01', '2026-11-30')).toEqual([])
})

test('a wrong key and a wrong address stop the connection, and the key is not kept', async () => {
  const fake = await fakeWith()
  const outcome = await putOne(fake, batchLineRecord(1), { secrets: { CHARGEBEE_KEY: 'test_other' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('test_other')
  const { status } = await fetch(`${fake.url}/api/v2/nothing`)
  expect(status).toBe(401)
})
