// Xero: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import type { Fault } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { mapping, secrets, XeroFake, type XeroFakeOptions } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: XeroFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await XeroFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: XeroFakeOptions = {}): Promise<XeroFake> {
  const fake = await new XeroFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: XeroFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
  'closed_period',
  'inactive_account',
  'unbalanced',
  'missing_dimension',
  'ok_with_error_inside',
]

conformanceOf({
  name: 'Xero',
  start: nowMs => new XeroFake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('a page is one request: debits positive, credits negative, all digits, our key first in the narration, no tax', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93', segments: { region: 'North' } })
  const connector = await fake.connector()
  const outcomes = await connector.put([big, { ...journalRecord(2), kind: 'release' }], signal)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'accepted'])
  expect(fake.sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'GET /api.xro/2.0/Organisation',
    'PUT /api.xro/2.0/ManualJournals?summarizeErrors=false',
  ])
  const [, { body, headers } = { body: '', headers: {} }] = fake.sent
  expect(headers).toMatchObject({
    'xero-tenant-id': expect.any(String),
    'idempotency-key': expect.stringMatching(/^[0-9a-f]{32}$/),
  })
  expect(body).toContain('"LineAmount":90071992547409.93')
  expect(body).toContain('"LineAmount":-90071992547409.93')
  expect(JSON.parse(body).ManualJournals[0]).toMatchObject({
    Narration: expect.stringMatching(/^weir_je_0001 journal acme s_1 /),
    Date: '2026-10-31',
    LineAmountTypes: 'NoTax',
    Status: 'POSTED',
    JournalLines: [
      { AccountCode: '610', TaxType: 'NONE', Tracking: [{ Name: 'Region', Option: 'North' }] },
      { AccountCode: '200' },
    ],
  })
  expect(JSON.parse(body).ManualJournals[1].JournalLines).toMatchObject([
    { AccountCode: '610', LineAmount: 3.25 }, // the receivable, a debit
    { AccountCode: '200', LineAmount: -3.25 },
  ])
})

test('of a page that Xero judges, what it refuses leaves the others, and the words are kept', async () => {
  const fake = await fakeWith()
  fake.lockDate = '2026-09-30'
  const page = [journalRecord(1), journalRecord(2, { date: '2026-09-30' }), journalRecord(3)]
  const outcomes = await (await fake.connector()).put(page, signal)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'refused', 'accepted'])
  expect(outcomes[1]).toMatchObject({
    code: 'period_closed',
    detail: 'The date lies before the lock date of this organisation.',
  })
})

test('a page that Xero refuses as a whole is judged one by one: one bad journal keeps no other back', async () => {
  const fake = await fakeWith()
  const connector = await fake.connector({ mapping: mapping.replace('segment.region', 'segment.place') })
  const page = [
    journalRecord(1),
    journalRecord(2, { segments: { place: 'x'.repeat(101) } }),
    journalRecord(3),
  ]
  const outcomes = await connector.put(page, signal)
  expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'refused', 'accepted'])
  expect(await fake.effects()).toEqual(['je_0001', 'je_0003'])
})

test('a draft is written and not posted until somebody posts it; one that was voided is not there', async () => {
  const fake = await fakeWith({ status: 'draft' })
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'written' })
  const connector = await fake.connector()
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'written' })
  const [{ document } = { document: undefined }] = fake.journals.visible()
  fake.journals.upsert('je_0001', { ...document!, Status: 'POSTED' }, 0)
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'posted' })
  fake.journals.upsert('je_0001', { ...document!, Status: 'VOIDED' }, 0)
  expect(await connector.find(journalRecord(1), signal)).toEqual({ kind: 'absent' })
})

describe('the header Idempotency-Key', () => {
  test('is the same after a lost answer, so that Xero repeats its answer, and another once it was refused', async () => {
    const fake = await fakeWith()
    fake.fail('timeout_after_commit', 'closed_period')
    const connector = await fake.connector()
    expect(await connector.put([journalRecord(1)], signal)).toMatchObject([
      { kind: 'unclear', code: 'no_answer' },
    ])
    expect(await connector.put([journalRecord(1)], signal)).toMatchObject([{ kind: 'accepted' }])
    expect(await connector.put([journalRecord(2)], signal)).toMatchObject([{ code: 'period_closed' }])
    expect(await connector.put([journalRecord(2)], signal)).toMatchObject([{ kind: 'accepted' }])
    expect(await fake.effects()).toEqual(['je_0001', 'je_0002'])
    const keys = fake.sent
      .filter(({ method }) => method === 'PUT')
      .map(({ headers }) => headers['idempotency-key'])
    expect([keys[0] === keys[1], keys[2] === keys[3]]).toEqual([true, false])
  })
})

test('the look-up takes no other key for ours, in whatever a person made of the narration', async () => {
  const fake = await fakeWith()
  await putOne(fake, journalRecord(11))
  const [{ document } = { document: undefined }] = fake.journals.visible()
  const { Narration } = document!
  fake.journals.upsert('je_0011', { ...document!, Narration: Narration.replace('je_0011', 'je_00110') }, 0)
  fake.journals.add('', { ...document!, Narration: `Reversal: ${Narration}` }, 0)
  expect(await (await fake.connector()).find(journalRecord(11), signal)).toEqual({ kind: 'absent' })
})

test('a rotating refresh token is kept and used once; a wrong one stops the connection', async () => {
  const fake = await fakeWith({ auth: 'consent' })
  const connector = await fake.connector()
  const [first] = await connector.put([journalRecord(1)], signal)
  expect(first).toMatchObject({ kind: 'accepted' })
  fake.fail('token_expired')
  expect(await connector.put([journalRecord(2)], signal)).toMatchObject([{ kind: 'accepted' }])
  const used = authorization.asked.slice(-2).map(({ refresh_token: token }) => token)
  expect(used[0]).toBe(secrets['XERO_REFRESH_TOKEN'])
  expect(used[1]).toMatch(/^xero-refresh-/)
  const wrong = { secrets: { ...secrets, XERO_REFRESH_TOKEN: 'xero-refresh-token-of-yesteryear' } }
  const refused = await putOne(fake, journalRecord(3), wrong)
  expect(refused).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(refused)).not.toContain('yesteryear')
})

test('another organisation stops the connection; a limit is named', async () => {
  const fake = await fakeWith()
  const tenant = '11111111-1111-4111-8111-111111111111'
  expect(await putOne(fake, journalRecord(1), { settings: { tenant } })).toMatchObject({
    kind: 'stopped',
    code: 'credentials_refused',
  })
  fake.fail('429_with_retry_after')
  expect(await putOne(fake, journalRecord(1))).toMatchObject({
    kind: 'throttled',
    code: 'rate_limited',
    detail: expect.stringContaining('(limit: minute)'),
    retryAfterMs: 60_000,
  })
})

test('what Xero cannot take is refused before anything is sent', async () => {
  const fake = await fakeWith()
  expect(await putOne(fake, journalRecord(1, { currency: 'EUR' }))).toMatchObject({
    kind: 'refused',
    code: 'currency_not_enabled',
  })
  const unmapped = { mapping: mapping.replace('"4000": "200", ', '') }
  expect(await putOne(fake, journalRecord(1), unmapped)).toMatchObject({ code: 'unmapped_value' })
  const nameless = { settings: { tracking: [] } }
  expect(await putOne(fake, journalRecord(1, { segments: { region: 'North' } }), nameless)).toMatchObject({
    code: 'unmapped_value',
    detail: expect.stringContaining('tracking_1'),
  })
  expect(fake.sent.filter(({ method }) => method !== 'GET')).toEqual([])
})

test('the list of ours has date, currency and debit with all digits, and leaves out what is not ours', async () => {
  const fake = await fakeWith()
  const connector = await fake.connector()
  await connector.put([journalRecord(1, { amount: '0.1' }), journalRecord(2, { date: '2026-11-01' })], signal)
  const [{ document } = { document: undefined }] = fake.journals.visible()
  fake.journals.add('', { ...document!, Narration: 'Accrual of rent' }, 0)
  const listed = []
  for await (const one of connector.documents!({ from: '2026-10-31', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toEqual([
    {
      key: 'je_0001',
      externalId: document!.id,
      state: 'posted',
      date: '2026-10-31',
      currency: 'USD',
      debit: '0.1',
      lines: [
        { account: '610', balance: '0.1' },
        { account: '200', balance: '-0.1' },
      ],
    },
  ])
})

test('a third decimal would be rounded away, so that entry is refused before it is sent', async () => {
  const fake = await fakeWith()
  const record = journalRecord(1, { currency: 'KWD', amount: '1.234' })
  expect(await putOne(fake, record)).toMatchObject({
    kind: 'refused',
    code: 'invalid_record',
    detail: expect.stringContaining('keeps 2 decimals of an amount, and 1.234 has more'),
  })
  expect(fake.sent.filter(({ method }) => method !== 'GET')).toEqual([])
})

test('the organisation is asked for its currency; a setting that it contradicts stops the connection before anything is sent', async () => {
  const fake = await fakeWith()
  fake.baseCurrency = 'NZD'
  expect(await putOne(fake, journalRecord(1, { currency: 'NZD' }))).toMatchObject({ kind: 'accepted' })
  const granted = { currency: 'USD', auth: { ...Object(fake.settings()['auth']), scope: scopes } }
  const contradicted = await fake.connector({ settings: granted })
  const stop = {
    kind: 'stopped',
    code: 'currency_contradicted',
    detail: 'currency says USD, and the organisation of Xero keeps its books in NZD',
  }
  expect(await contradicted.put([journalRecord(2)], signal)).toEqual([stop])
  expect(await contradicted.check(signal)).toEqual(stop)
  fake.baseCurrency = 'USD'
  expect(await contradicted.check(signal)).toEqual({ kind: 'ready' })
  fake.baseCurrency = 'NZD'
  const notAsked = await putOne(fake, journalRecord(3), { settings: { currency: 'USD' } })
  expect(notAsked).toMatchObject({ kind: 'accepted' }) // the default scope with a setting does not let us ask
  expect(await fake.effects()).toEqual(['je_0001', 'je_0003'])
})

const scopes = 'accounting.transactions accounting.settings.read'
