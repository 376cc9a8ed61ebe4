// Dynamics 365 Finance: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome, ReceiverDocument } from '../connector.js'
import { shortReference } from '../short-reference.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { batchNumberOf } from './records.js'
import { DynamicsFinanceFake, type DynamicsFinanceFakeOptions, mapping, secrets } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: DynamicsFinanceFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await DynamicsFinanceFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: Partial<DynamicsFinanceFakeOptions> = {}): Promise<DynamicsFinanceFake> {
  const fake = await new DynamicsFinanceFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: DynamicsFinanceFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

const postAction = { post_action: 'Microsoft.Dynamics.DataEntities.weirPost' }

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
  name: 'Dynamics 365 Finance',
  start: nowMs => new DynamicsFinanceFake({ authorization, nowMs, job: true }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('an entry is one changeset: header and lines under our key, amounts with all their digits, the same bytes each time', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93' })
  const number = batchNumberOf('je_0001')
  expect(number).toMatch(/^W[0-9A-V]{9}$/)
  expect(await putOne(fake, big)).toEqual({ kind: 'written', externalId: number })
  const { url, headers, body } = fake.sent[0]!
  expect(url).toBe('/data/$batch')
  expect(headers['content-type']).toMatch(/^multipart\/mixed; boundary=batch_[0-9a-f]{32}$/)
  expect(body).toContain('"DebitAmount":90071992547409.93')
  const [journal] = fake.journals.visible()
  expect(journal?.document).toMatchObject({
    header: {
      dataAreaId: 'usmf',
      JournalBatchNumber: number,
      JournalName: 'GenJrn',
      Description: 'Weir je_0001',
    },
    lines: [
      {
        AccountType: 'Ledger',
        AccountDisplayValue: '130100',
        CurrencyCode: 'USD',
        TransDate: '2026-10-31T12:00:00Z',
        LineNumber: 1,
      },
      {
        AccountDisplayValue: '401100',
        Text: 'Weir je_0001',
        Document: shortReference('je_0001'),
        Voucher: shortReference('je_0001'),
      },
    ],
  })
  const other = await fakeWith()
  await putOne(other, big)
  expect(other.sent[0]?.body).toBe(body)
})

test('dimensions follow the main account in order, empty where left out; the receivable may go to the customer', async () => {
  const dimensions = ['BusinessUnit', 'Department']
  const fake = await fakeWith({
    settings: { dimensions, receivables: 'customers', voucher: 'by_journal_name' },
  })
  fake.segments = 3
  const given = {
    mapping: `${mapping}customers: { acme: C-001 }
dimension_1: [ { match: { role: revenue }, value: US-01 }, { omit: true } ]
dimension_2: [ { from: segment.department }, { omit: true } ]
`,
  }
  const segments = { department: 'SALES' }
  expect(await putOne(fake, journalRecord(1, { segments }), given)).toMatchObject({ kind: 'written' })
  const [journal] = fake.journals.visible()
  expect(journal?.document.lines).toMatchObject([
    { AccountType: 'Cust', AccountDisplayValue: 'C-001' },
    { AccountType: 'Ledger', AccountDisplayValue: '401100-US\\-01-SALES' },
  ])
  expect(Object.keys(journal!.document.lines[0]!)).not.toContain('Voucher')
  expect(await putOne(fake, journalRecord(2), given)).toMatchObject({
    code: 'dimension_missing',
    detail: 'Department is required in the account structure of 401100.',
  })
  expect(await putOne(fake, journalRecord(3, { customer: 'zeta' }), given)).toMatchObject({
    code: 'customer_not_mapped',
  })
})

describe('what Dynamics 365 Finance answers', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} inside an answer of 200 is ${codeOfRefusal[fault]}, in its own words`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      expect(await putOne(fake, journalRecord(1))).toMatchObject({
        kind: 'refused',
        code: codeOfRefusal[fault],
        detail: expect.stringMatching(
          /suspended|closed|balance|required|currency|already exists|another kind/,
        ),
      })
    })
  }

  test('a suspended account and a closed period refuse header and lines alike', async () => {
    const fake = await fakeWith()
    fake.suspendedAccounts.add('401100')
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ code: 'account_inactive' })
    fake.suspendedAccounts.clear()
    fake.closedUntil = '2026-10-31'
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ code: 'period_closed' })
    expect(await putOne(fake, journalRecord(2, { currency: 'CHF', date: '2026-11-01' }))).toMatchObject({
      code: 'currency_not_enabled',
    })
    expect(await fake.effects()).toEqual([])
  })
})

test('a journal that is there is not written again, and a number of somebody else is refused', async () => {
  const fake = await fakeWith()
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'written' })
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'written' })
  expect(await fake.effects()).toEqual(['je_0001'])
  const header = {
    dataAreaId: 'usmf',
    JournalBatchNumber: batchNumberOf('je_0002'),
    JournalName: 'GenJrn',
    Description: 'Month end',
  }
  fake.journals.add(`usmf ${batchNumberOf('je_0002')}`, { header, lines: [] }, 0)
  expect(await putOne(fake, journalRecord(2))).toMatchObject({ kind: 'refused', code: 'duplicate_document' })
})

test('a journal stays written until somebody posts it, and the list says which are posted', async () => {
  const fake = await fakeWith()
  const connector = await fake.connector()
  const records = [1, 2, 3, 4, 5].map(n => journalRecord(n))
  for (const record of records) await putOne(fake, record)
  expect(await connector.find(records[0]!, signal)).toMatchObject({ kind: 'there', state: 'written' })
  fake.posted.add(`usmf ${batchNumberOf('je_0001')}`)
  expect(await connector.find(records[0]!, signal)).toMatchObject({ kind: 'there', state: 'posted' })
  const listed: ReceiverDocument[] = []
  for await (const one of connector.documents!({ from: '2026-10-01', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed.map(({ state }) => state)).toEqual(['posted', 'written', 'written', 'written', 'written'])
  expect(listed[1]).toEqual({
    key: 'je_0002',
    externalId: batchNumberOf('je_0002'),
    state: 'written',
    date: '2026-10-31',
    currency: 'USD',
    debit: '3.25',
    lines: [
      { account: '130100', balance: '3.25' },
      { account: '401100', balance: '-3.25' },
    ],
  })
})

test('the action of the settings posts; what it refuses stays a draft, and is posted when the record comes again', async () => {
  const fake = await fakeWith({ settings: postAction })
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'accepted' })
  fake.mayPost = false
  expect(await putOne(fake, journalRecord(2))).toMatchObject({ kind: 'refused', code: 'period_closed' })
  expect(await (await fake.connector()).find(journalRecord(2), signal)).toMatchObject({
    kind: 'refused',
    code: 'period_closed',
  })
  fake.mayPost = true
  expect(await putOne(fake, journalRecord(2))).toMatchObject({ kind: 'accepted' })
  expect(await fake.effects()).toEqual(['je_0001', 'je_0002'])
})

test('an unmapped company and an unbalanced entry are refused before anything is sent', async () => {
  const fake = await fakeWith()
  expect(await putOne(fake, journalRecord(1, { entity: 'uk' }))).toMatchObject({ code: 'unmapped_value' })
  const { document } = journalRecord(1)
  const [first, second] = document['lines'] as readonly object[]
  const unbalanced = { ...document, lines: [first, { ...second, credit: '2.24' }] }
  expect(await putOne(fake, { ...journalRecord(1), document: unbalanced })).toMatchObject({
    code: 'entry_unbalanced',
  })
  expect(fake.sent).toEqual([])
})
