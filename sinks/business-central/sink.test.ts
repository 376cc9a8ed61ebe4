// Business Central: the conformance suite on its fake, and what is special to it.

import { generateKeyPairSync } from 'node:crypto'
import { decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { shortReference } from '../short-reference.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { Rig } from '../testing/conformance-rig.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { openConnector } from '../testing/open-connector.js'
import { businessCentralKind } from './kind.js'
import { journalCodeOf } from './records.js'
import { BusinessCentralFake, type BusinessCentralFakeOptions, mapping, secrets } from './testing/fake.js'

let authorization: AuthorizationServer
const fakes: BusinessCentralFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await BusinessCentralFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: Partial<BusinessCentralFakeOptions> = {}): Promise<BusinessCentralFake> {
  const fake = await new BusinessCentralFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: BusinessCentralFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

const passing: readonly Fault[] = [
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
]
const refusals: readonly Fault[] = [
  'closed_period',
  'inactive_account',
  'unbalanced',
  'missing_dimension',
  'currency_not_enabled',
]
const shared = { refuses: true, secrets: Object.values(secrets), recordOf: (n: number) => journalRecord(n) }

conformanceOf({
  ...shared,
  name: 'Business Central',
  start: nowMs => new BusinessCentralFake({ authorization, nowMs }).start(),
  faults: [...passing, ...refusals, 'duplicate_key'],
})

describe('every entry is there once after trouble', () => {
  const troubles: readonly Fault[] = ['timeout_before_commit', 'timeout_after_commit']
  for (const fault of troubles) {
    test.each([
      ['while a journal is opened', { faultsAt: 'journal' }],
      ['while lines are written', { faultsAt: 'lines' }],
      [
        'while lines are written where people post',
        { faultsAt: 'lines', people: true, posting: { journal: 'WEIR' } },
      ],
    ] as const)(`${fault} %s`, async (name, options) => {
      const rig = await Rig.start(
        {
          ...shared,
          name,
          faults: troubles,
          start: nowMs => new BusinessCentralFake({ authorization, nowMs, ...options }).start(),
        },
        3,
      )
      rig.receiver.fail(fault)
      expect(await rig.run()).toBe(true)
      expect([...(await rig.receiver.effects())].sort()).toEqual(rig.records.map(({ key }) => key))
      expect([...rig.states().values()].map(({ state }) => state)).toEqual(['posted', 'posted', 'posted'])
      await rig.receiver.close()
    })
  }
})

test('an entry is a journal of its own, lines under our key, the post, and the journal is gone', async () => {
  const fake = await fakeWith({ dimensions: ['DEPARTMENT'] })
  const given = {
    mapping: `${mapping}dimension_1: [ { match: { role: revenue }, from: segment.department }, { omit: true } ]\n`,
  }
  const big = journalRecord(1, { amount: '90071992547409.93', segments: { department: 'SALES' } })
  const externalId = shortReference('je_0001')
  expect(await putOne(fake, big, given)).toEqual({ kind: 'accepted', externalId })
  expect(externalId).toMatch(/^W[0-9A-V]{19}$/)
  const [, created, written, posted, removed] = fake.sent
  const requests = [created, written, posted, removed].map(
    one => `${one?.method} ${one?.url.replace(/^.*api\/v2\.0\//, '').replaceAll(/\([\w-]+\)/g, '()')}`,
  )
  expect(requests).toEqual([
    'POST companies()/journals',
    'POST $batch',
    'POST companies()/journals()/Microsoft.NAV.post',
    'DELETE companies()/journals()',
  ])
  expect(written!.body).toContain('"amount":90071992547409.93')
  expect(written!.body).toContain('"amount":-90071992547409.93')
  expect(JSON.parse(written!.body)).toMatchObject({
    requests: [
      {
        body: {
          accountNumber: '2910',
          documentNumber: externalId,
          externalDocumentNumber: 'je_0001',
          description: 'Weir je_0001 ch_1',
        },
      },
      { body: { accountNumber: '6110', dimensionSetLines: [{ code: 'DEPARTMENT', valueCode: 'SALES' }] } },
    ],
  })
  expect(fake.journals.map(({ code }) => code)).toEqual(['DEFAULT', 'WEIR'])
})

describe('what Business Central answers', () => {
  for (const fault of refusals.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]}, in its own words, and no line stays`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      expect(await putOne(fake, journalRecord(1))).toMatchObject({
        kind: 'refused',
        code: codeOfRefusal[fault],
        detail: expect.stringMatching(/^(Application|Internal)_\w+: \w+/),
      })
      expect(fake.journals.map(({ code }) => code)).toEqual(['DEFAULT', 'WEIR'])
    })
  }

  test('a blocked account, a closed period and a mandatory dimension are refused as it finds them', async () => {
    const fake = await fakeWith()
    fake.blockedAccounts.add('6110')
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ code: 'account_inactive' })
    fake.blockedAccounts.clear()
    fake.closedUntil = '2026-10-31'
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ code: 'period_closed' })
    fake.closedUntil = ''
    fake.mandatoryDimension = 'DEPARTMENT'
    expect(await putOne(fake, journalRecord(1))).toMatchObject({ code: 'dimension_missing' })
    expect(await fake.effects()).toEqual([])
  })
})

test('what an attempt left in its journal is removed and not posted, and lines of people are never posted', async () => {
  const fake = await fakeWith()
  const left = fake.open(journalCodeOf('je_0001'), 'Weir je_0001')
  const ofPeople = {
    accountNumber: '2910',
    postingDate: '2026-10-31',
    documentNumber: 'G1',
    amount: 5,
    description: 'by hand',
  }
  left.lines.push({ ...ofPeople, description: 'Weir je_0001 ch_1', amount: 2.25 })
  fake.journals.find(({ code }) => code === 'DEFAULT')!.lines.push(ofPeople)
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'accepted' })
  expect(fake.ledger.visible().flatMap(({ document }) => document.map(({ amount }) => amount))).toEqual([
    2.25, -2.25,
  ])
  expect(fake.linesIn('DEFAULT')).toEqual([ofPeople])
  fake.open(journalCodeOf('je_0002'), 'Month end')
  expect(await putOne(fake, journalRecord(2))).toMatchObject({ kind: 'refused', code: 'duplicate_document' })
  expect(fake.journals.map(({ displayName }) => displayName)).toContain('Month end')
})

test('after an unclear answer to the post its journal is left alone; the next attempt removes it and begins anew', async () => {
  const fake = await fakeWith()
  fake.fail('timeout_before_commit')
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'unclear', code: 'no_answer' })
  expect(fake.sent.map(({ method }) => method)).not.toContain('DELETE')
  expect(fake.linesIn(journalCodeOf('je_0001'))).toHaveLength(2)
  expect(await putOne(fake, journalRecord(1))).toMatchObject({ kind: 'accepted' })
  expect(fake.ledger.visible().map(({ document }) => document.length)).toEqual([2])
})

test('where people post, an entry is written until it is in the ledger, even under another number and another date', async () => {
  const fake = await fakeWith({ posting: { journal: 'WEIR' } })
  const connector = await fake.connector()
  const record = journalRecord(1)
  expect(await putOne(fake, record)).toMatchObject({ kind: 'written' })
  expect(await connector.find(record, signal)).toMatchObject({ kind: 'there', state: 'written' })
  const range = { from: '2026-10-01', until: '2026-10-31' }
  const listed = []
  for await (const one of connector.documents!(range, signal)) listed.push(one)
  expect(listed).toEqual([
    {
      key: 'je_0001',
      externalId: shortReference('je_0001'),
      state: 'written',
      date: '2026-10-31',
      currency: 'USD',
      debit: '2.25',
      lines: [
        { account: expect.any(String), balance: '2.25' },
        { account: expect.any(String), balance: '-2.25' },
      ],
    },
  ])
  const lines = fake.linesIn('WEIR')
  fake.ledger.add(
    'je_0001',
    lines.map(line => ({ ...line, documentNumber: 'G00042' })),
    0,
  )
  expect(await connector.find(record, signal)).toEqual({
    kind: 'there',
    externalId: 'G00042',
    state: 'posted',
  })
  fake.journals.splice(1, 1)
  expect(await putOne(fake, journalRecord(2))).toMatchObject({ kind: 'stopped', code: 'journal_missing' })
})

test('another currency than the company has, an unmapped account and an unbalanced entry are refused before anything is written', async () => {
  const fake = await fakeWith()
  expect(await putOne(fake, journalRecord(1, { currency: 'EUR' }))).toMatchObject({
    code: 'currency_not_enabled',
  })
  expect(
    await putOne(fake, journalRecord(1), { mapping: mapping.replace('"4000": "6110", ', '') }),
  ).toMatchObject({
    code: 'unmapped_value',
  })
  const { document } = journalRecord(1)
  const [first, second] = document['lines'] as readonly object[]
  const unbalanced = { ...document, lines: [first, { ...second, credit: '2.24' }] }
  expect(await putOne(fake, { ...journalRecord(1), document: unbalanced })).toMatchObject({
    code: 'entry_unbalanced',
  })
  expect(fake.sent.filter(({ method }) => method !== 'GET')).toEqual([])
})

test('more than 100 lines are written in several batches of one journal, and refused where people post', async () => {
  const { document } = journalRecord(1)
  const lines = (document['lines'] as readonly object[]).flatMap(line => Array<object>(60).fill(line))
  const long = { ...journalRecord(1), document: { ...document, lines } }
  const fake = await fakeWith()
  expect(await putOne(fake, long)).toMatchObject({ kind: 'accepted' })
  expect(fake.ledger.visible()[0]?.document).toHaveLength(120)
  const people = await fakeWith({ posting: { journal: 'WEIR' } })
  expect(await putOne(people, long)).toMatchObject({ kind: 'refused', code: 'invalid_record' })
})

test('a certificate proves who we are by its thumbprint, and no secret is in what is kept of requests', async () => {
  const fake = await fakeWith()
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const thumbprint = 'ab'.repeat(32)
  const auth = {
    ...(fake.settings()['auth'] as object),
    client_secret: undefined,
    private_key: { variable: 'KEY' },
    thumbprint,
  }
  const connector = await openConnector(
    businessCentralKind,
    { ...fake.settings(), auth },
    { secrets: { KEY: key }, mapping, nowMs: Date.now },
  )
  expect(await connector.put([journalRecord(1)], signal)).toMatchObject([{ kind: 'accepted' }])
  const header = decodeProtectedHeader(authorization.asked.at(-1)!['client_assertion']!)
  expect(header).toMatchObject({
    alg: 'PS256',
    'x5t#S256': Buffer.from(thumbprint, 'hex').toString('base64url'),
  })
  expect(fake.sentTexts().join('\n')).not.toContain('tok-')
})

test('of ledger entries only the fields that are read are asked for: with all of them a page is too large', async () => {
  const fake = await fakeWith()
  const connector = await fake.connector()
  await connector.put([journalRecord(1)], signal)
  await connector.find(journalRecord(1), signal)
  const asked = fake.sent.filter(({ url }) => url.includes('generalLedgerEntries'))
  const fields = 'entryNumber,postingDate,documentNumber,description,accountNumber,debitAmount,creditAmount'
  expect(asked.map(({ url }) => new URL(url, fake.url).searchParams.get('$select'))).toEqual([fields])
})
