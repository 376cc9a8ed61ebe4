// Sage Intacct: the conformance suite on its fake, and what is special to it.

import { afterEach, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { conformanceOf, doubledBy } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { outcomeOfErrors } from './outcome.js'
import { IntacctFake, type IntacctFakeOptions, mapping, secrets } from './testing/fake.js'

const fakes: IntacctFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(options: IntacctFakeOptions = {}): Promise<IntacctFake> {
  const fake = await new IntacctFake(options).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: IntacctFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
  'closed_period',
  'inactive_account',
  'unbalanced',
  'missing_dimension',
  'currency_not_enabled',
  'duplicate_key',
  'ok_with_error_inside',
]

const subject = {
  name: 'Sage Intacct',
  start: (nowMs: () => number) => new IntacctFake({ nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: (n: number) => journalRecord(n),
}

conformanceOf(subject)

test('where control ids are not taken once, the look-up alone keeps a batch from being there twice', async () => {
  const start = (nowMs: () => number) => new IntacctFake({ nowMs, settings: { unique_id: false } }).start()
  expect(await doubledBy({ ...subject, start }, 'timeout_after_commit')).toEqual([])
})

test('a journal and a release are sent as a batch under their key, amounts with all their digits, in the shape of the gateway', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93', entity: 'eu', currency: 'EUR' })
  expect(await putOne(fake, big)).toEqual({ kind: 'accepted', externalId: '1001' })
  expect(await putOne(fake, { ...journalRecord(2), kind: 'release' })).toMatchObject({ kind: 'accepted' })
  const { body } = fake.sent[0]!
  for (const part of [
    '<controlid>weir_je_0001</controlid><uniqueid>true</uniqueid>',
    '<password>sender&amp;password-1</password>',
    '<JOURNAL>GJ-EU</JOURNAL><BATCH_DATE>10/31/2026</BATCH_DATE><BATCH_TITLE>weir_je_0001</BATCH_TITLE>',
    '<REFERENCENO>weir_je_0001</REFERENCENO><STATE>Posted</STATE>',
    '<ACCOUNTNO>12000</ACCOUNTNO><TR_TYPE>1</TR_TYPE><TRX_AMOUNT>90071992547409.93</TRX_AMOUNT><CURRENCY>EUR</CURRENCY><LOCATION>300</LOCATION><CUSTOMERID>C-1042</CUSTOMERID>',
    '<ACCOUNTNO>40000</ACCOUNTNO><TR_TYPE>-1</TR_TYPE>',
  ])
    expect(body).toContain(part)
  const texts = fake.sentTexts().join('\n')
  for (const secret of ['password-1', 'user-password']) expect(texts).not.toContain(secret)
})

describe('what Intacct answers, with 200', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, in its own words`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      const detail = expect.stringMatching(/^BL\d+: \w+/)
      expect(await putOne(fake, journalRecord(1))).toEqual({
        kind: 'refused',
        code: codeOfRefusal[fault],
        detail,
      })
    })
  }

  test('a wrong password of the sender or of the user stops the connection', async () => {
    const fake = await fakeWith({
      settings: { auth: { ...authOf('weir'), user_password: { variable: 'INTACCT_SENDER' } } },
    })
    expect(await putOne(fake, journalRecord(1))).toMatchObject({
      kind: 'stopped',
      code: 'credentials_refused',
    })
    expect(await (await fake.connector()).check(signal)).toMatchObject({ kind: 'stopped', detail: /Sign-in/ })
    const other = await fakeWith({ settings: { auth: authOf('somebody') } })
    expect(await putOne(other, journalRecord(1))).toMatchObject({
      kind: 'stopped',
      code: 'credentials_refused',
    })
    expect(await (await (await fakeWith()).connector()).check(signal)).toEqual({ kind: 'ready' })
  })

  test('a control id that it has had is unclear, and the batch is found when its time has come', async () => {
    let nowMs = 0
    const fake = await fakeWith({ nowMs: () => nowMs })
    fake.fail('timeout_after_commit')
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    const connector = await fake.connector()
    expect(await connector.find(journalRecord(1), signal)).toEqual({ kind: 'absent' })
    expect(await putOne(fake, journalRecord(1))).toMatchObject({
      kind: 'unclear',
      code: 'duplicate_document',
    })
    nowMs = connector.settlesWithinMs
    expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'posted' })
    expect(connector.settlesWithinMs).toBe(900_000)
    expect(fake.batches.keys()).toHaveLength(1)
  })

  test('too many at the same time is no refusal, and an answer that was cut off proves nothing', async () => {
    const words = {
      errorno: 'XL03000009',
      description: '',
      description2: 'The limit of concurrent requests is reached',
      correction: '',
    }
    expect(outcomeOfErrors('function', [words], text => text)).toMatchObject({
      kind: 'throttled',
      code: 'rate_limited',
    })
    const fake = await fakeWith()
    fake.isCutOff = true
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
  })
})

test('a batch that waits for approval is written, until somebody has posted it', async () => {
  const fake = await fakeWith({ settings: { state: 'submitted' } })
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'written' })
  const connector = await fake.connector()
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'written' })
  const [batch] = fake.batches.visible()
  fake.batches.upsert(batch!.key, { ...batch!.document, state: 'Posted' }, 0)
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'posted' })
})

test('a long list comes in pages, each batch once, with its amounts by account', async () => {
  const fake = await fakeWith({ pageLength: 2 })
  const connector = await fake.connector()
  await connector.put(
    [0, 1, 2, 3, 4].map(n => journalRecord(n)),
    signal,
  )
  const listed: unknown[] = []
  for await (const one of connector.documents!({ from: '2026-10-31', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toHaveLength(5)
  expect(listed).toContainEqual({
    key: 'je_0003',
    externalId: expect.any(String),
    state: 'posted',
    date: '2026-10-31',
    currency: 'USD',
    debit: '4.25',
    lines: [
      { account: '12000', balance: '4.25' },
      { account: '40000', balance: '-4.25' },
    ],
  })
})

test('what the mapping lacks refuses the record before anything is sent, its currency too', async () => {
  const fake = await fakeWith({ settings: { multi_currency: false } })
  const given = { mapping: mapping.replace('EUR: EUR', 'GBP: GBP') }
  expect(await putOne(fake, journalRecord(1, { currency: 'EUR' }), given)).toMatchObject({
    kind: 'refused',
    code: 'unmapped_value',
    detail: expect.stringMatching(/^currency: currency EUR is not in /),
  })
  expect(fake.sent).toEqual([])
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'accepted' })
  expect(fake.sent[0]!.body).not.toContain('CURRENCY')
})

function authOf(sender: string) {
  return {
    sender_id: sender,
    sender_password: { variable: 'INTACCT_SENDER' },
    user_id: 'xml_user',
    user_password: { variable: 'INTACCT_USER' },
  }
}
