// NetSuite: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import {
  isAssertionSigned,
  mapping,
  NetsuiteFake,
  type NetsuiteFakeOptions,
  privateKeyPem,
  secrets,
} from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: NetsuiteFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await NetsuiteFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: NetsuiteFakeOptions = {}): Promise<NetsuiteFake> {
  const fake = await new NetsuiteFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: NetsuiteFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
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
]

conformanceOf({
  name: 'NetSuite',
  start: nowMs => new NetsuiteFake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('a journal and a release are sent under their key, amounts with all their digits, in the shape of the record', async () => {
  const fake = await fakeWith()
  const big = journalRecord(1, { amount: '90071992547409.93' })
  expect(await putOne(fake, big)).toEqual({ kind: 'accepted', externalId: '1001' })
  expect(await putOne(fake, { ...journalRecord(2), kind: 'release' })).toMatchObject({ kind: 'accepted' })
  const [{ method, url, body } = { method: '', url: '', body: '' }] = fake.sent.filter(
    one => one.method === 'PUT',
  )
  expect(`${method} ${url}`).toBe('PUT /services/rest/record/v1/journalEntry/eid:weir_je_0001?replace=line')
  expect(body).toContain('"debit":90071992547409.93')
  expect(JSON.parse(body)).toMatchObject({
    externalId: 'weir_je_0001',
    tranDate: '2026-10-31',
    subsidiary: { id: '1' },
    currency: { id: '1' },
    approvalStatus: { id: '2' },
    line: { items: [{ account: { id: '119' }, entity: { id: '1042' } }, { account: { id: '54' } }] },
  })
})

test('the token comes by an assertion that our key signed; OAuth 1.0a signs the query; neither is kept', async () => {
  const fake = await fakeWith()
  await putOne(fake, journalRecord(1))
  expect(await isAssertionSigned(authorization.asked.at(-1)!['client_assertion']!)).toBe(true)
  const signed = await fakeWith({ auth: 'token_based' })
  expect(await putOne(signed, journalRecord(1))).toMatchObject({ kind: 'accepted' })
  const texts = [...fake.sentTexts(), ...signed.sentTexts()].join('\n')
  expect(texts).toContain('authorization: Bearer [secret]')
  expect(texts).toContain('authorization: OAuth [secret]')
  for (const secret of ['tok-', privateKeyPem, 'consumer-key-1']) expect(texts).not.toContain(secret)
})

describe('what NetSuite answers', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, in its own words`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      const outcome = await putOne(fake, journalRecord(1))
      expect(outcome).toMatchObject({ kind: 'refused', code: codeOfRefusal[fault] })
      expect(outcome).toMatchObject({
        detail: expect.stringMatching(/^(USER_ERROR|INVALID_KEY_OR_REF): \w+/),
      })
    })
  }

  test('a second write while the first is still carried out is unclear, and after 15 minutes it is found', async () => {
    let nowMs = 0
    const fake = await fakeWith({ nowMs: () => nowMs })
    fake.fail('timeout_after_commit')
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    const connector = await fake.connector()
    expect(await connector.find(journalRecord(1), signal)).toEqual({ kind: 'absent' })
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
    nowMs = connector.settlesWithinMs
    expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'posted' })
    expect(connector.settlesWithinMs).toBe(900_000)
  })

  test('an entry that waits for approval is written and not posted', async () => {
    const fake = await fakeWith({ approval: 'by_account' })
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'written' })
    const [entry] = fake.entries.visible()
    fake.entries.upsert(entry!.key, { ...entry!.document, approvalStatus: { id: '1' } }, 0)
    const connector = await fake.connector()
    expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'written' })
  })
})

test('what the mapping lacks refuses the record before anything is sent', async () => {
  const fake = await fakeWith()
  const given = { mapping: mapping.replace('"4000": "54", ', '') }
  expect(await putOne(fake, journalRecord(1), given)).toMatchObject({
    kind: 'refused',
    code: 'unmapped_value',
    detail: expect.stringMatching(/^accounts: account 4000 is not in .*; the nearest known name is 1200$/),
  })
  expect(fake.sent).toEqual([])
  expect(await putOne(fake, journalRecord(1, { amount: '1.005' }))).toMatchObject({ code: 'invalid_record' })
})
