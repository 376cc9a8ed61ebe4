// SAP S/4HANA: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { outcomeOfReply } from './outcome.js'
import { referenceOf } from './records.js'
import { mapping, SapS4Fake, type SapS4FakeOptions, secrets } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: SapS4Fake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await SapS4Fake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: SapS4FakeOptions = {}): Promise<SapS4Fake> {
  const fake = await new SapS4Fake(options).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: SapS4Fake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
  name: 'SAP S/4HANA',
  start: nowMs => new SapS4Fake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('a journal and a release are sent with a short form of their key, signed amounts with all their digits, in the shape of the message', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93', entity: 'eu', currency: 'EUR' })
  expect(await putOne(fake, big)).toEqual({ kind: 'accepted', externalId: '1710/0000001001/2026' })
  expect(await putOne(fake, { ...journalRecord(2), kind: 'release' })).toMatchObject({ kind: 'accepted' })
  const [first, second] = fake.sent
  const { body, headers } = first!
  expect(headers['soapaction']).toMatch(/^"http:\/\/sap.com\/xi\/SAPSCORE\/SFIN\/\S+_InRequest"$/)
  const reference = referenceOf(big, 'WR')
  expect(reference).toMatch(/^WR[A-Z2-7]{14}$/)
  for (const part of [
    `<MessageHeader><ID>${reference}</ID><CreationDateTime>2026-11-01T00:00:00Z</CreationDateTime></MessageHeader>`,
    `<DocumentReferenceID>${reference}</DocumentReferenceID>`,
    '<CompanyCode>1710</CompanyCode><DocumentDate>2026-10-31</DocumentDate><PostingDate>2026-10-31</PostingDate>',
    '<Reference1InDocumentHeader>je_0001</Reference1InDocumentHeader>',
    '<GLAccount>41000000</GLAccount><AmountInTransactionCurrency currencyCode="EUR">-90071992547409.93</AmountInTransactionCurrency><DebitCreditCode>H</DebitCreditCode>',
    '<AccountAssignment><ProfitCenter>YB110</ProfitCenter></AccountAssignment>',
    '<Debtor>10100001</Debtor><AmountInTransactionCurrency currencyCode="EUR">90071992547409.93</AmountInTransactionCurrency><DebitCreditCode>S</DebitCreditCode>',
  ])
    expect(body).toContain(part)
  await putOne(fake, journalRecord(2))
  expect(fake.sent.at(-1)?.body).toBe(second?.body)
  expect(fake.sentTexts().join('\n')).not.toContain('sap-password')
})

describe('what SAP answers, with 200', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, in its own words and without warnings`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      expect(await putOne(fake, journalRecord(1))).toEqual({
        kind: 'refused',
        code: codeOfRefusal[fault],
        detail: expect.stringMatching(/^609\(RW\): Error in document: BKPFF \S+ \w+; \d+\(\w+\): [^;]+$/),
      })
    })
  }

  test('a reply without a number and without a log proves nothing', () => {
    const reply = (inside: string) =>
      outcomeOfReply({
        kind: 'answer',
        status: 200,
        headers: new Headers(),
        body: inside,
        redact: text => text,
      })
    for (const body of ['', '<html>', '<a:Envelope xmlns:a="u"><a:Body/></a:Envelope>'])
      expect(reply(body)).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    const blank = '<AccountingDocument> </AccountingDocument><FiscalYear>0000</FiscalYear>'
    expect(
      reply(
        `<a:Envelope xmlns:a="u"><a:Body><b:JournalEntryBulkCreateConfirmation xmlns:b="v"><JournalEntryCreateConfirmation><JournalEntryCreateConfirmation>${blank}</JournalEntryCreateConfirmation><Log/></JournalEntryCreateConfirmation><Log/></b:JournalEntryBulkCreateConfirmation></a:Body></a:Envelope>`,
      ),
    ).toMatchObject({ kind: 'unclear' })
  })
})

test('nothing there keeps an entry from being posted twice: the look-up does, in every company code, when its time has come', async () => {
  let nowMs = 0
  const fake = await fakeWith({ nowMs: () => nowMs, settings: { settles_minutes: 20 } })
  fake.fail('timeout_after_commit')
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
  const connector = await fake.connector({ mapping: mapping.replace('"1010"', '"2020"') })
  expect(connector.settlesWithinMs).toBe(1_200_000)
  expect(await connector.find(journalRecord(1), signal)).toEqual({ kind: 'absent' })
  nowMs = connector.settlesWithinMs
  const there = { kind: 'there', externalId: '1010/0000001001/2026', state: 'posted' }
  expect(await connector.find(journalRecord(1), signal)).toEqual(there)
  await putOne(fake, journalRecord(1))
  expect(await fake.effects()).toEqual(['je_0001', 'je_0001'])
})

test('a wrong password stops the connection', async () => {
  const auth = { user: 'SOMEBODY', password: { variable: 'SAP_PASSWORD' } }
  const fake = await fakeWith({ settings: { auth } })
  expect(await (await fake.connector()).check(signal)).toMatchObject({
    kind: 'stopped',
    code: 'credentials_refused',
  })
  expect(await (await (await fakeWith()).connector()).check(signal)).toEqual({ kind: 'ready' })
})

test('a long list comes in pages of items, each document once, with its debits', async () => {
  const fake = await fakeWith({ pageLength: 3, settings: { receivable: 'account' } })
  const connector = await fake.connector()
  const long = { ...journalRecord(4), key: `je_${'0123456789abcdef'.repeat(2)}` }
  await connector.put([...[0, 1, 2, 3].map(n => journalRecord(n)), long], signal)
  const listed: unknown[] = []
  for await (const one of connector.documents!({ from: '2026-10-31', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toHaveLength(5)
  const common = {
    externalId: expect.stringMatching(/^1010\/000000100\d\/2026$/),
    state: 'posted',
    date: '2026-10-31',
    currency: 'USD',
  }
  const lines = [
    { account: '12000000', balance: '5.25' },
    { account: '41000000', balance: '-5.25' },
  ]
  expect(listed).toContainEqual({ ...common, key: long.key, debit: '5.25', lines })
  expect(fake.sent[0]!.body).not.toContain('DebtorItem')
})

test('what the mapping lacks refuses the record before anything is sent', async () => {
  const fake = await fakeWith()
  const given = { mapping: mapping.replace('default: "1010", ', '') }
  expect(await putOne(fake, journalRecord(1), given)).toMatchObject({
    kind: 'refused',
    code: 'unmapped_value',
    detail: expect.stringMatching(/^company_code: entity default is not in /),
  })
  expect(await putOne(fake, journalRecord(1, { customer: 'nobody' }))).toMatchObject({
    code: 'customer_not_mapped',
  })
  expect(fake.sent).toEqual([])
})
