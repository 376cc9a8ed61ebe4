// Oracle Fusion: the conformance suite on its fake, and what is special to it.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome, ReceiverDocument } from '../connector.js'
import { Deadline } from '../deadline.js'
import type { AuthorizationServer } from '../testing/authorization-server.js'
import { conformanceOf } from '../testing/conformance.js'
import { codeOfRefusal, type Fault, isRefusal } from '../testing/fault.js'
import { journalRecord } from '../testing/journal-record.js'
import { mapping, OracleFusionFake, type OracleFusionFakeOptions, secrets } from './testing/fake.js'
import { rowsIn } from './testing/gl-interface.js'

let authorization: AuthorizationServer
const fakes: OracleFusionFake[] = []
const { signal } = new AbortController()

beforeAll(async () => {
  authorization = await OracleFusionFake.authorizationServer()
})

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

afterAll(() => authorization.stop())

async function fakeWith(options: Partial<OracleFusionFakeOptions> = {}): Promise<OracleFusionFake> {
  const fake = await new OracleFusionFake({ authorization, ...options }).start()
  fakes.push(fake)
  return fake
}

async function put(
  fake: OracleFusionFake,
  records: readonly ConnectorRecord[],
  given = {},
): Promise<readonly PutOutcome[]> {
  return (await fake.connector(given)).put(records, signal)
}

function imports(fake: OracleFusionFake) {
  return fake.sent
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => JSON.parse(body) as { DocumentContent: string; ParameterList: string })
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
  'ok_with_error_inside',
]

conformanceOf({
  name: 'Oracle Fusion',
  start: nowMs => new OracleFusionFake({ authorization, nowMs }).start(),
  faults,
  refuses: true,
  secrets: Object.values(secrets),
  recordOf: n => journalRecord(n),
})

test('a page of journals is one import, each journal a batch of its own name, amounts as they are', async () => {
  const fake = await fakeWith({ runningFor: 3 })
  const big = journalRecord(1, { amount: '90071992547409.93' })
  expect(await put(fake, [big, { ...journalRecord(2), kind: 'release' }])).toEqual([
    { kind: 'accepted', externalId: '1001' },
    { kind: 'accepted', externalId: '1002' },
  ])
  const [{ DocumentContent, ParameterList } = { DocumentContent: '', ParameterList: '' }, ...more] =
    imports(fake)
  expect(more).toEqual([])
  const [, groupId = ''] = /^300000002,Weir,300000001,(\d+),N,N,N$/.exec(ParameterList) ?? []
  expect(
    rowsIn(DocumentContent).map(row =>
      Object.fromEntries(Object.entries(row).filter(([, cell]) => cell !== '')),
    ),
  ).toMatchObject([
    {
      STATUS: 'NEW',
      ACCOUNTING_DATE: '2026/10/31',
      DATE_CREATED: '2026/11/01',
      SEGMENT1: '01',
      SEGMENT3: '12000',
      ENTERED_DR: '90071992547409.93',
      REFERENCE1: 'weir_je_0001',
      REFERENCE4: 'weir_je_0001',
      REFERENCE10: 'receivable 1200',
      GROUP_ID: groupId,
    },
    { SEGMENT3: '40000', ENTERED_CR: '90071992547409.93', GROUP_ID: groupId },
    { REFERENCE1: 'weir_je_0002', ENTERED_DR: '3.25' },
    { REFERENCE1: 'weir_je_0002', ENTERED_CR: '3.25' },
  ])
})

test('a page of 60 is one import, and its batches are asked for in three questions', async () => {
  const fake = await fakeWith()
  const outcomes = await put(
    fake,
    Array.from({ length: 60 }, (_, n) => journalRecord(n)),
  )
  expect(outcomes.filter(one => one.kind === 'accepted')).toHaveLength(60)
  expect(imports(fake)).toHaveLength(1)
  expect(fake.sent.filter(({ url }) => url.includes('journalBatches'))).toHaveLength(3)
})

test('a segment of the mapping replaces that of the account; another currency is refused before anything is sent', async () => {
  const fake = await fakeWith()
  const given = { mapping: `${mapping}segment2: [{ from: segment.cost_center }, { omit: true }]\n` }
  await put(fake, [journalRecord(1, { segments: { cost_center: '715' } })], given)
  expect(fake.batches.visible()[0]?.document.rows[0]).toMatchObject({ SEGMENT2: '715' })
  expect(await put(fake, [journalRecord(2, { currency: 'EUR' })])).toMatchObject([
    { code: 'currency_not_enabled' },
  ])
  expect(imports(fake)).toHaveLength(1)
})

describe('a group with a bad row', () => {
  for (const fault of faults.filter(isRefusal)) {
    test(`${fault} is ${codeOfRefusal[fault]} for its journal, and the others go again without it`, async () => {
      const fake = await fakeWith()
      fake.fail(fault)
      const outcomes = await put(
        fake,
        [1, 2, 3].map(n => journalRecord(n)),
      )
      expect(outcomes).toMatchObject([
        {
          kind: 'refused',
          code: codeOfRefusal[fault],
          detail: expect.stringMatching(/^E\w\d\d \| weir_je_0001 \| E/),
        },
        { kind: 'accepted' },
        { kind: 'accepted' },
      ])
      const groups = imports(fake).map(one => one.ParameterList.split(',')[3])
      expect(new Set(groups).size).toBe(2)
    })
  }

  test('is halved where the report names no row, until the bad journal is alone', async () => {
    const fake = await fakeWith({ namesRows: false })
    fake.refuse(({ key }) => (key === 'je_0003' ? 'the period is closed' : undefined))
    const outcomes = await put(
      fake,
      [1, 2, 3, 4, 5].map(n => journalRecord(n)),
    )
    expect(outcomes.map(one => one.kind)).toEqual(['accepted', 'accepted', 'refused', 'accepted', 'accepted'])
    expect([...(await fake.effects())].sort()).toEqual(['je_0001', 'je_0002', 'je_0004', 'je_0005'])
  })

  test('stays in the interface under its group and is not imported with the next one', async () => {
    const fake = await fakeWith()
    fake.closedUntil = '2026/10/31'
    expect(await put(fake, [journalRecord(1)])).toMatchObject([{ code: 'period_closed' }])
    fake.closedUntil = ''
    expect(await put(fake, [journalRecord(1)])).toMatchObject([{ kind: 'accepted' }])
    expect(await fake.effects()).toEqual(['je_0001'])
  })
})

test('what is imported and not posted is written, and posted once Oracle says so', async () => {
  const fake = await fakeWith({ autoPost: false })
  expect(await put(fake, [journalRecord(1)])).toEqual([{ kind: 'written', externalId: '1001' }])
  const connector = await fake.connector()
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'written' })
  fake.postAll()
  expect(await connector.find(journalRecord(1), signal)).toMatchObject({ kind: 'there', state: 'posted' })
  const listed: ReceiverDocument[] = []
  for await (const one of connector.documents!({ from: '2026-10-01', until: '2026-10-31' }, signal))
    listed.push(one)
  expect(listed).toEqual([
    {
      ...{ key: 'je_0001', externalId: '1001', state: 'posted', date: '2026-10-31', currency: 'USD' },
      debit: '2.25',
    },
  ])
})

test('an import that is not seen to end is unclear, and is looked up by its ESS request first', async () => {
  const fake = await fakeWith({ runningFor: 6, autoPost: false })
  const connector = await fake.connector()
  const soon = new Deadline(1, signal).signal
  const [outcome] = await connector.put([journalRecord(1)], soon)
  expect(outcome?.kind).toMatch(/^(unclear|throttled)$/)
  const slow = await fake.connector({ settings: { poll_seconds: 60 } })
  const ending = new AbortController()
  const receipts = new Map<string, string>()
  const putting = slow.put([journalRecord(2)], ending.signal, async (keys, receipt) => {
    expect(fake.sent.some(({ url }) => url.includes('ESSJobStatusRF'))).toBe(false) // it is kept before we wait
    for (const key of keys) receipts.set(key, receipt)
  })
  while (!fake.sent.some(({ url }) => url.includes('ESSJobStatusRF')))
    await new Promise(resolve => setImmediate(resolve))
  await new Promise(resolve => setTimeout(resolve, 20))
  ending.abort()
  expect(await putting).toMatchObject([
    { kind: 'unclear', detail: expect.stringMatching(/^the import \d+ is RUNNING$/) },
  ])
  const kept = { ...journalRecord(2), receipt: receipts.get('je_0002')! }
  const restarted = await fake.connector()
  fake.showsBatches = false
  expect(await restarted.find(kept, signal)).toMatchObject({
    kind: 'unknown_yet',
    detail: `the import ${kept.receipt} is RUNNING`,
  })
  fake.showsBatches = true
  expect(await restarted.find(kept, signal)).toMatchObject({ kind: 'there', state: 'written' })
})

test('an import that succeeded and whose batch we do not see is not sent again', async () => {
  const fake = await fakeWith()
  fake.showsBatches = false
  const connector = await fake.connector()
  let receipt = ''
  const [outcome] = await connector.put([journalRecord(1)], signal, async (_, given) => {
    receipt = given
  })
  expect(outcome).toMatchObject({
    kind: 'unclear',
    detail: expect.stringContaining('does not see its batch'),
  })
  const kept = { ...journalRecord(1), receipt }
  for (let n = 0; n < 3; n += 1)
    expect(await (await fake.connector()).find(kept, signal)).toMatchObject({ kind: 'unknown_yet' })
  fake.showsBatches = true
  expect(await connector.find(kept, signal)).toMatchObject({ kind: 'there', state: 'posted' })
})

test('user and password do as well, and neither they nor the client secret are kept', async () => {
  const fake = await fakeWith({ auth: 'password' })
  expect(await put(fake, [journalRecord(1)])).toMatchObject([{ kind: 'accepted' }])
  const texts = fake.sentTexts().join('\n')
  expect(texts).toContain('authorization: Basic [secret]')
  expect(texts).not.toContain(Buffer.from(`weir:${secrets['ORACLE_PASSWORD']}`).toString('base64'))
})
