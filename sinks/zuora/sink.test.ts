// Zuora: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome, ReceiverDocument } from '../connector.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { batchLineRecord } from '../testing/batch-line-record.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { mapping, secrets, ZuoraFake, type ZuoraFakeOptions } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: ZuoraFake[] = []
const { signal } = new AbortController()
const novemberMs = Date.UTC(2026, 10, 1)

beforeAll(async () => {
  authorization = await ZuoraFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: Partial<ZuoraFakeOptions> = {}): Promise<ZuoraFake> {
  const fake = await new ZuoraFake({ authorization, nowMs: () => novemberMs, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: ZuoraFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
  'token_expired',
  'hang',
  'inactive_account',
  'missing_dimension',
  'duplicate_key',
  'ok_with_error_inside',
]

conformanceOf({
  name: 'Zuora',
  start: nowMs => new ZuoraFake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => batchLineRecord(n),
})

test('a line of usage is one record of its account on the last day of its period, with our key in the description', async () => {
  const fake = await fakeWith()
  const quantity = '1234567890123.000000001'
  expect(await putOne(fake, batchLineRecord(1, { quantity }))).toEqual({
    kind: 'accepted',
    externalId: '1001',
  })
  const [text = ''] = fake.sentTexts()
  expect(text).toMatch(/^POST \/v1\/object\/usage\?rejectUnknownFields=true\n/)
  expect(text).toContain('authorization: Bearer [secret]')
  expect(text).toMatch(/\nidempotency-key: [0-9a-f]{32}\n/)
  expect(text).toMatch(
    /\{"AccountNumber":"A00000002","UOM":"API call","Quantity":1234567890123\.000000001,"StartDateTime":"2026-10-31T12:00:00\.000\+00:00","Description":"weir_bl_0001"\}$/,
  )
})

test('subscription and charge come from the mapping, the day from the time zone of the tenant', async () => {
  const fake = await fakeWith({ keyField: 'WeirKey__c' })
  const given = {
    mapping: `${mapping}subscription: [{ match: { plan: pro }, value: A-S00000100 }]\ncharge: [{ value: C-00000229 }]\n`,
    settings: { time_zone: 'Pacific/Auckland' },
  }
  const timezone = 'Pacific/Auckland'
  const october = { from: '2026-09-30T11:00:00Z', until: '2026-10-31T11:00:00Z' }
  await putOne(fake, batchLineRecord(1, { timezone, service_period: october }), given)
  expect(fake.usage.visible()[0]?.document).toMatchObject({
    SubscriptionNumber: 'A-S00000100',
    ChargeNumber: 'C-00000229',
    StartDateTime: '2026-10-31T12:00:00.000+13:00',
    WeirKey__c: 'weir_bl_0001',
    Description: 'pro: calls, 2026-10-01 to 2026-10-31',
  })
})

const refusals: readonly (readonly [string, Parameters<typeof batchLineRecord>[1], object])[] = [
  [
    'a recurring charge is no usage',
    { meter: '', kind: 'recurring' },
    { kind: 'not_for_receiver', code: 'no_usage' },
  ],
  [
    'a quantity with more than nine decimals is not rounded',
    { quantity: '1.0000000001' },
    { code: 'invalid_record' },
  ],
  ['a meter without a unit is told', { meter: 'bytes' }, { code: 'unmapped_value' }],
  ['a customer without an account is told', { customer_id: 'initech' }, { code: 'customer_not_mapped' }],
]
for (const [claim, changes, expected] of refusals) {
  test(`${claim}, before anything is sent`, async () => {
    const fake = await fakeWith()
    expect(await putOne(fake, batchLineRecord(1, changes))).toMatchObject({ kind: 'refused', ...expected })
    expect(fake.sent).toEqual([])
  })
}

describe('what Zuora answers', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, in its own words`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      const outcome = await putOne(fake, batchLineRecord(1))
      expect(outcome).toMatchObject({ kind: 'refused', code: codeOfRefusal[fault] })
      expect(outcome).toMatchObject({ detail: expect.stringMatching(/^[A-Z_]+: \w+/) })
    })
  }

  test('a number that is no account, and a quantity below zero, are refused in its words', async () => {
    const fake = await fakeWith()
    const given = { mapping: mapping.replace('A00000002', 'B-1') }
    expect(await putOne(fake, batchLineRecord(1), given)).toMatchObject({ code: 'customer_not_mapped' })
    expect(await putOne(fake, batchLineRecord(2, { quantity: '-5' }))).toEqual({
      kind: 'refused',
      code: 'receiver_refused',
      detail: 'INVALID_VALUE: The quantity must not be negative.',
    })
  })

  test('a repeated request gets the stored answer and makes no second record; a stored error is not asked for again', async () => {
    let nowMs = novemberMs
    const fake = await fakeWith({ nowMs: () => nowMs })
    const connector = await fake.connector()
    const put = async (n: number) => (await connector.put([batchLineRecord(n)], signal))[0]
    fake.fail('timeout_after_commit')
    expect(await put(1)).toMatchObject({ kind: 'unclear' })
    expect(await put(1)).toMatchObject({ kind: 'unclear', detail: expect.stringContaining('in progress') })
    nowMs += 120_000
    expect(await put(1)).toEqual({ kind: 'accepted', externalId: '1001' })
    fake.fail('missing_dimension')
    expect(await put(2)).toMatchObject({ kind: 'refused' })
    expect(await put(2)).toMatchObject({ kind: 'accepted' })
    fake.fail('500_then_ok')
    expect(await put(3)).toMatchObject({ kind: 'unclear' })
    expect(await put(3)).toMatchObject({ kind: 'unclear' }) // the stored answer
    nowMs += 600_000
    expect(await put(3)).toMatchObject({ kind: 'accepted' })
    expect(await fake.effects()).toEqual(['bl_0001', 'bl_0002', 'bl_0003'])
  })
})

test('a record is found behind others of its account and day, page by page; the list has ours alone', async () => {
  const fake = await fakeWith()
  const other = {
    AccountNumber: 'A00000002',
    UOM: 'API call',
    Quantity: 1,
    StartDateTime: '2026-10-31T12:00:00Z',
  }
  for (let n = 0; n < 5; n += 1) fake.usage.add('', other, novemberMs)
  await putOne(fake, batchLineRecord(1))
  await putOne(fake, batchLineRecord(2, { timing: 'in_advance' }))
  const connector = await fake.connector()
  expect(await connector.find(batchLineRecord(1), signal)).toEqual({
    kind: 'there',
    externalId: '1006',
    state: 'posted',
  })
  expect(await connector.find(batchLineRecord(9), signal)).toEqual({ kind: 'absent' })
  const listed: ReceiverDocument[] = []
  for await (const one of connector.documents!({ from: '2026-10-31', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toEqual([
    { key: 'bl_0001', externalId: '1006', quantity: '20', state: 'posted', date: '2026-10-31' },
  ])
})

test('a client secret that is refused stops the connection and is not kept in its words', async () => {
  const fake = await fakeWith()
  const outcome = await putOne(fake, batchLineRecord(1), { secrets: { ZUORA_SECRET: 'another-secret' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('another-secret')
  expect(fake.sent).toEqual([])
})
