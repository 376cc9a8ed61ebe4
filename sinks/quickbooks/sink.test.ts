// QuickBooks Online: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { mapping, QuickbooksFake, type QuickbooksFakeOptions, secrets } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: QuickbooksFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await QuickbooksFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: QuickbooksFakeOptions = {}): Promise<QuickbooksFake> {
  const fake = await new QuickbooksFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: QuickbooksFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
  'currency_not_enabled',
  'duplicate_key',
  'ok_with_error_inside',
]

conformanceOf({
  name: 'QuickBooks',
  start: nowMs => new QuickbooksFake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('an entry has positive amounts with all digits, a number made from our key, and the customer on the receivable', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93', segments: { team: 'core' } })
  expect(await putOne(fake, big)).toEqual({ kind: 'accepted', externalId: '1001' })
  const [{ method, url, body } = { method: '', url: '', body: '' }] = fake.sent.slice(1)
  expect(`${method} ${url}`).toMatch(
    /^POST \/v3\/company\/4620816365291234567\/journalentry\?requestid=[0-9a-f]{32}&minorversion=75$/,
  )
  expect(body.match(/"Amount":90071992547409\.93,/g)).toHaveLength(2)
  const entry = JSON.parse(body) as { Line: object[] }
  expect(entry).toMatchObject({
    DocNumber: expect.stringMatching(/^W[0-9a-f]{20}$/),
    TxnDate: '2026-10-31',
    PrivateNote: expect.stringMatching(/^weir_je_0001 journal acme s_1 /),
  })
  expect(entry).not.toHaveProperty('CurrencyRef')
  expect(entry.Line.map(line => (line as { JournalEntryLineDetail: object }).JournalEntryLineDetail)).toEqual(
    [
      {
        PostingType: 'Debit',
        AccountRef: { value: '84' },
        Entity: { Type: 'Customer', EntityRef: { value: '58' } },
      },
      { PostingType: 'Credit', AccountRef: { value: '79' }, ClassRef: { value: '5000000000000012345' } },
    ],
  )
  expect(await putOne(fake, journalRecord(2, { currency: 'EUR' }))).toMatchObject({ kind: 'accepted' })
  expect(fake.sent.at(-1)?.body).toContain('"CurrencyRef":{"value":"EUR"}')
})

describe('what QuickBooks answers', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, with code and words of the Fault`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      expect(await putOne(fake, journalRecord(1))).toMatchObject({
        kind: 'refused',
        code: codeOfRefusal[fault],
        detail: expect.stringMatching(/^\d+: \w+/),
      })
    })
  }

  test('the company knows periods, accounts, customers, classes and currencies', async () => {
    const fake = await fakeWith()
    const codeOf = async (record: ConnectorRecord, given = {}) => {
      const outcome = await putOne(fake, record, given)
      return 'code' in outcome ? outcome.code : outcome.kind
    }
    const other = { mapping: mapping.replace('"58"', '"59"') }
    expect(await codeOf(journalRecord(1), other)).toBe('customer_not_mapped')
    expect(await codeOf(journalRecord(1, { currency: 'GBP' }))).toBe('currency_not_enabled')
    fake.inactiveAccounts.add('79')
    expect(await codeOf(journalRecord(1))).toBe('account_inactive')
    fake.inactiveAccounts.clear()
    fake.requiresClass = true
    expect(await codeOf(journalRecord(1))).toBe('dimension_missing')
    fake.closingDate = '2026-10-31'
    expect(await codeOf(journalRecord(1))).toBe('period_closed')
  })

  test('without a customer no line of the receivable is sent', async () => {
    const fake = await fakeWith()
    expect(await putOne(fake, journalRecord(1, { customer: 'nobody' }))).toMatchObject({
      kind: 'refused',
      code: 'customer_not_mapped',
    })
    const customers = { nobody: { erp: '58' } }
    expect(await putOne(fake, journalRecord(2, { customer: 'nobody' }), { customers })).toMatchObject({
      kind: 'accepted',
    })
    expect(fake.sent.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })
})

test('requestid repeats the answer that was lost, and is another once the entry was refused', async () => {
  const fake = await fakeWith()
  fake.fail('timeout_after_commit', 'closed_period')
  const connector = await fake.connector()
  expect(await connector.put([journalRecord(1)], signal)).toMatchObject([{ kind: 'unclear' }])
  expect(await connector.put([journalRecord(1)], signal)).toMatchObject([{ kind: 'accepted' }])
  expect(await connector.put([journalRecord(2)], signal)).toMatchObject([{ code: 'period_closed' }])
  expect(await connector.put([journalRecord(2)], signal)).toMatchObject([{ kind: 'accepted' }])
  expect(await fake.effects()).toEqual(['je_0001', 'je_0002'])
})

test('a number that is taken by our own entry is our entry; an entry that lost its number is unclear, and found by its note', async () => {
  const fake = await fakeWith()
  const record = journalRecord(1)
  const changed = { ...record, document: { ...record.document, subscription_id: 's_other' } }
  fake.mindsNumbers = true
  expect(await putOne(fake, record)).toEqual({ kind: 'accepted', externalId: '1001' })
  expect(await putOne(fake, changed)).toEqual({ kind: 'accepted', externalId: '1001' })
  expect(await fake.effects()).toEqual(['je_0001'])
  fake.numbersItself = true
  expect(await putOne(fake, journalRecord(2))).toMatchObject({
    kind: 'unclear',
    detail: expect.stringContaining('the number 17 and not ours'),
  })
  const connector = await fake.connector()
  const there = { kind: 'there', externalId: '1002', state: 'posted' }
  expect(await connector.find(journalRecord(2), signal)).toEqual(there)
  expect(await connector.find(journalRecord(3), signal)).toEqual({ kind: 'absent' })
})

test('a refresh token counts once, and the next one is kept over a restart; another company stops the connection', async () => {
  const fake = await fakeWith()
  const asked = authorization.asked.length
  for (const n of [1, 2, 3]) expect(await putOne(fake, journalRecord(n))).toMatchObject({ kind: 'accepted' })
  const used = authorization.asked.slice(asked).map(({ refresh_token: token }) => token)
  expect(used[0]).toBe(secrets['QBO_REFRESH_TOKEN'])
  expect(new Set(used).size).toBe(3)
  const gone = { secrets: { ...secrets, QBO_REFRESH_TOKEN: 'qbo-refresh-of-yesteryear' } }
  const refused = await putOne(fake, journalRecord(4), gone)
  expect(refused).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(refused)).not.toContain('yesteryear')
})

test('without Retry-After a limit is waited out for a minute', async () => {
  const fake = await fakeWith()
  fake.fail('429_without')
  expect(await putOne(fake, journalRecord(1))).toMatchObject({
    kind: 'throttled',
    code: 'rate_limited',
    retryAfterMs: 60_000,
  })
})

test('the list of ours has date, currency and debit, and leaves out what is not ours', async () => {
  const fake = await fakeWith()
  const connector = await fake.connector()
  const page = [journalRecord(1, { currency: 'EUR' }), journalRecord(2, { date: '2026-11-01' })]
  await connector.put(page, signal)
  const [{ document } = { document: undefined }] = fake.entries.visible()
  fake.entries.add('', { ...document!, PrivateNote: 'Accrual of rent' }, 0)
  const listed = []
  for await (const one of connector.documents!({ from: '2026-10-31', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toMatchObject([
    { key: 'je_0001', state: 'posted', date: '2026-10-31', currency: 'EUR', debit: '2.25' },
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

test('the company is asked for its currency; a setting that it contradicts stops the connection before anything is sent', async () => {
  const fake = await fakeWith()
  fake.homeCurrency = 'EUR'
  expect(await putOne(fake, journalRecord(1, { currency: 'EUR' }))).toMatchObject({ kind: 'accepted' })
  expect(fake.sent.at(-1)?.body).not.toContain('CurrencyRef')
  const connector = await fake.connector({ settings: { home_currency: 'USD' } })
  const detail = 'home_currency says USD, and the company of QuickBooks keeps its books in EUR'
  const stop = { kind: 'stopped', code: 'currency_contradicted', detail }
  expect(await connector.put([journalRecord(2)], signal)).toEqual([stop])
  expect(await connector.check(signal)).toEqual(stop)
  fake.homeCurrency = ''
  const silent = await fake.connector()
  expect(await silent.put([journalRecord(2)], signal)).toMatchObject([{ code: 'currency_unknown' }])
  expect(await fake.effects()).toEqual(['je_0001'])
})
