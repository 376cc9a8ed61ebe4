// Salesforce: the conformance suite on its fake for accounts and for cases, and what is special to it.

import { afterEach, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { conformanceOf } from '../testing/conformance.js'
import type { Fault } from '../testing/fault.js'
import { caseRecord, exceptionIdOf, standingRecord } from '../write-back/testing/standing-record.js'
import { accountId, fields, SalesforceFake, type SalesforceFakeOptions, secrets } from './testing/fake.js'

const fakes: SalesforceFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(options: SalesforceFakeOptions = {}): Promise<SalesforceFake> {
  const fake = await new SalesforceFake(options).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: SalesforceFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

const cases = { records: 'support_cases' } as const
const faults: readonly Fault[] = [
  'timeout_before_commit',
  'timeout_after_commit',
  '429_with_retry_after',
  '500_after_commit',
  'outage',
  'token_expired',
]
const shared = { refuses: true, secrets: Object.values(secrets), outageHours: 0.25, restartStride: 20 }

conformanceOf({
  ...shared,
  name: 'Salesforce, accounts',
  start: nowMs => new SalesforceFake({ nowMs }).start(),
  faults,
  recordOf: standingRecord,
})

conformanceOf({
  ...shared,
  name: 'Salesforce, cases',
  start: nowMs => new SalesforceFake({ nowMs, ...cases }).start(),
  faults: ['timeout_after_commit', 'duplicate_key'],
  recordOf: caseRecord,
})

describe('how a customer stands', () => {
  test('is in the fields that the configuration maps, numbers as numbers, in one request for many accounts', async () => {
    const fake = await fakeWith()
    await (await fake.connector()).put(
      [1, 2, 3].map(n => standingRecord(n)),
      signal,
    )
    expect(fake.account(accountId(2))).toMatchObject({
      Weir_Standing__c: 'cs_0002',
      Weir_As_Of__c: '2026-11-01T00:00:00.000Z',
      Weir_Outstanding__c: 59.5,
      Weir_Overdue__c: 9.5,
      Weir_Dunning__c: 'retrying',
      Weir_Exceptions__c: 2,
    })
    expect(fake.sent.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
  })

  test('only what differs is written, and what stands there already is not', async () => {
    const fake = await fakeWith({ fields: { Weir_Overdue__c: 'EUR.overdue', Weir_Dunning__c: 'dunning' } })
    fake.standing.set(accountId(1), {
      Weir_Dunning__c: 'retrying',
      Weir_Note__c: 'ours',
      Weir_Overdue__c: null,
    })
    await putOne(fake, standingRecord(1))
    expect(JSON.parse(fake.sent.at(-1)!.body)).toMatchObject({
      records: [{ attributes: { type: 'Account' }, id: accountId(1), Weir_Overdue__c: 9.5 }],
    })
    expect(fake.sent.at(-1)!.body).not.toContain('Dunning')
    const before = fake.sent.length
    expect(await putOne(fake, standingRecord(1))).toEqual({ kind: 'accepted', externalId: accountId(1) })
    expect(fake.sent.slice(before).filter(({ method }) => method === 'PATCH')).toEqual([])
    expect(fake.account(accountId(1))).toMatchObject({ Weir_Note__c: 'ours' })
  })

  test('an older standing is not written over a newer one that stands there', async () => {
    const fake = await fakeWith()
    await putOne(fake, standingRecord(1, { standing_id: 'cs_newer', as_of: '2026-11-02T00:00:00.000Z' }))
    const outcome = await putOne(fake, standingRecord(1, { standing_id: 'cs_older' }))
    expect(outcome).toMatchObject({ kind: 'not_for_receiver', code: 'newer_there' })
    expect(fake.account(accountId(1))).toMatchObject({ Weir_Standing__c: 'cs_newer' })
  })

  test('read-only tells what would be written beside what stands there, and writes nothing', async () => {
    const fake = await fakeWith({ fields: { Weir_Overdue__c: 'EUR.overdue', Weir_Dunning__c: 'dunning' } })
    fake.standing.set(accountId(1), { Weir_Overdue__c: 4 })
    const connector = await fake.connector()
    expect(await connector.preview!(standingRecord(1), signal)).toEqual({
      kind: 'would',
      detail: `would change Account ${accountId(1)}: Weir_Overdue__c 4 -> 9.5; Weir_Dunning__c (nothing) -> retrying`,
    })
    expect(fake.accounts.all()).toEqual([])
  })

  test('a field that is not allowed stops the connection before anything is sent', async () => {
    const fake = await fakeWith()
    const outcome = await putOne(fake, standingRecord(1), { allowedFields: ['Account.Weir_Overdue__c'] })
    expect(outcome).toMatchObject({ kind: 'stopped', code: 'field_not_allowed' })
    expect(outcome).toMatchObject({ detail: expect.stringContaining('Account.Weir_Dunning__c') })
    expect(fake.sent).toEqual([])
  })

  test('accounts are found by a field of theirs that has our id, and none is made', async () => {
    const fake = await fakeWith()
    const settings = { ...fake.settings(), found_by: 'Weir_Customer__c' }
    fake.settings = () => settings
    fake.standing.set(accountId(8), { Weir_Customer__c: "it's" })
    const named = standingRecord(1, { customer_id: "it's" })
    expect(await putOne(fake, named)).toEqual({ kind: 'accepted', externalId: accountId(8) })
    expect(await putOne(fake, standingRecord(2))).toMatchObject({ kind: 'refused', code: 'object_not_found' })
    fake.standing.set(accountId(9), { Weir_Customer__c: "it's" })
    expect(await putOne(fake, named)).toMatchObject({ kind: 'refused', code: 'object_ambiguous' })
    expect(fake.accounts.all()).toHaveLength(1)
  })

  test('a customer that nobody mapped is refused alone', async () => {
    const fake = await fakeWith()
    const records = [standingRecord(1, { customer_id: 'nobody' }), standingRecord(2)]
    expect(await (await fake.connector()).put(records, signal)).toMatchObject([
      { kind: 'refused', code: 'customer_not_mapped' },
      { kind: 'accepted' },
    ])
  })

  test('a field that the org does not have stops the connection, and an account that was deleted is refused', async () => {
    const unknown = await fakeWith({ fields: { ...fields, Wier_Typo__c: 'dunning' } })
    const stopped = await putOne(unknown, standingRecord(1))
    expect(stopped).toMatchObject({ kind: 'stopped', code: 'field_unknown' })
    const mistyped = await fakeWith({ fields: { Weir_Overdue__c: 'dunning' } })
    expect(await putOne(mistyped, standingRecord(1))).toMatchObject({
      kind: 'refused',
      code: 'receiver_refused',
    })
    const fake = await fakeWith()
    fake.deleted.add(accountId(1))
    expect(await putOne(fake, standingRecord(1))).toMatchObject({ kind: 'refused', code: 'object_not_found' })
  })

  test('a wrong secret stops the connection, and is not kept', async () => {
    const fake = await fakeWith()
    const outcome = await putOne(fake, standingRecord(1), {
      secrets: { SALESFORCE_SECRET: 'wrong-secret-9' },
    })
    expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
    expect(JSON.stringify(outcome)).not.toContain('wrong-secret-9')
  })
})

describe('a case about an exception', () => {
  test('is made once with the account of the customer, and told of its end once', async () => {
    const fake = await fakeWith(cases)
    for (let time = 0; time < 2; time += 1) {
      expect(await putOne(fake, caseRecord(3))).toMatchObject({ kind: 'accepted' })
      const settled = caseRecord(3, { number: 2, state: 'settled' })
      expect(await putOne(fake, settled)).toMatchObject({ kind: 'accepted' })
    }
    const [made] = fake.cases.all()
    expect(fake.cases.keys()).toEqual([exceptionIdOf(3)])
    expect(made!.document.fields).toMatchObject({ AccountId: accountId(3), Status: 'New', Origin: 'Weir' })
    expect(fake.comments.all().map(({ document }) => [document.text, document.status])).toEqual([
      [`It was redriven. ann: mended [${exceptionIdOf(3)}-2]`, 'Closed'],
    ])
  })

  test('what was settled before there was a case makes none, and one that was deleted there stays deleted', async () => {
    const fake = await fakeWith(cases)
    const settled = caseRecord(4, { number: 2, state: 'settled' })
    expect(await putOne(fake, settled)).toMatchObject({ kind: 'not_for_receiver', code: 'no_case' })
    await putOne(fake, caseRecord(5))
    fake.deleted.add(`500${fake.cases.all()[0]!.id.padStart(12, '0')}`)
    const ended = caseRecord(5, { number: 2, state: 'settled' })
    expect(await putOne(fake, ended)).toMatchObject({ kind: 'not_for_receiver', code: 'no_case' })
    expect(fake.comments.all()).toEqual([])
  })

  test('read-only tells of the case that would be made, and of the comment', async () => {
    const fake = await fakeWith(cases)
    const connector = await fake.connector()
    expect(await connector.preview!(caseRecord(6), signal)).toEqual({
      kind: 'would',
      detail: 'would make a Case: invalid_value for cus_6: The value is not a number.',
    })
    await putOne(fake, caseRecord(6))
    expect(await connector.preview!(caseRecord(6, { number: 2, state: 'settled' }), signal)).toEqual({
      kind: 'would',
      detail: 'would tell Case 1001 (New): It was redriven. ann: mended',
    })
    expect(fake.comments.all()).toEqual([])
  })
})
