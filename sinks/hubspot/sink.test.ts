// HubSpot: the conformance suite on its fake, and what is special to it.

import { afterEach, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { conformanceOf } from '../testing/conformance.js'
import { standingRecord } from '../write-back/testing/standing-record.js'
import { companyId, fields, HubspotFake, secrets } from './testing/fake.js'

const fakes: HubspotFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(): Promise<HubspotFake> {
  const fake = await new HubspotFake().start()
  fakes.push(fake)
  return fake
}

async function putAll(
  fake: HubspotFake,
  records: readonly ConnectorRecord[],
  given = {},
): Promise<readonly PutOutcome[]> {
  return (await fake.connector(given)).put(records, signal)
}

conformanceOf({
  name: 'HubSpot',
  start: nowMs => new HubspotFake({ nowMs, lateMs: 60_000 }).start(),
  faults: ['timeout_before_commit', 'timeout_after_commit', '429_with_retry_after'],
  refuses: true,
  secrets: Object.values(secrets),
  restartStride: 12,
  recordOf: standingRecord,
})

test('what differs is written as texts in one request, and what stands there is not', async () => {
  const fake = await fakeWith()
  fake.standing.set(companyId(1), { weir_outstanding: '59.50', weir_dunning: 'none', name: 'Acme' })
  expect(
    await putAll(
      fake,
      [1, 2].map(n => standingRecord(n)),
    ),
  ).toMatchObject([{ kind: 'accepted' }, { kind: 'accepted' }])
  const updates = fake.sent.filter(({ url }) => url.endsWith('/batch/update'))
  expect(updates).toHaveLength(1)
  expect(JSON.parse(updates[0]!.body).inputs[0]).toEqual({
    id: companyId(1),
    properties: {
      weir_standing: 'cs_0001',
      weir_as_of: '2026-11-01T00:00:00.000Z',
      weir_dunning: 'retrying',
    },
  })
  await putAll(fake, [standingRecord(1)])
  expect(fake.sent.filter(({ url }) => url.endsWith('/batch/update'))).toHaveLength(1)
})

test('a batch that is refused because of one company is sent one by one', async () => {
  const fake = await fakeWith()
  fake.fields = { ...fields, weir_overdue: 'EUR.last_reason' }
  const sound = { currencies: [] }
  const outcomes = await putAll(fake, [standingRecord(1), standingRecord(2, sound)])
  expect(outcomes).toMatchObject([{ kind: 'refused', code: 'receiver_refused' }, { kind: 'accepted' }])
  expect(fake.companies.keys()).toEqual(['cs_0002'])
})

test('a company that is not there any more is refused alone, and one of an unknown property stops the connection', async () => {
  const fake = await fakeWith()
  fake.archived.add(companyId(1))
  expect(
    await putAll(
      fake,
      [1, 2].map(n => standingRecord(n)),
    ),
  ).toMatchObject([{ kind: 'refused', code: 'object_not_found' }, { kind: 'accepted' }])
  fake.fields = { ...fields, wier_typo: 'dunning' }
  expect(await putAll(fake, [standingRecord(3)])).toMatchObject([{ kind: 'stopped', code: 'field_unknown' }])
})

test('companies are found by a property of theirs that has our id', async () => {
  const fake = await fakeWith()
  const settings = { ...fake.settings(), found_by: 'weir_customer' }
  fake.settings = () => settings
  fake.standing.set(companyId(7), { weir_customer: 'cus_1' })
  expect(await putAll(fake, [standingRecord(1)])).toEqual([{ kind: 'accepted', externalId: companyId(7) }])
})

test('a wrong token stops the connection and is not kept; a property that is not allowed is never sent', async () => {
  const fake = await fakeWith()
  const [outcome] = await putAll(fake, [standingRecord(1)], { secrets: { HUBSPOT_TOKEN: 'wrong-token-7' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('wrong-token-7')
  const before = fake.sent.length
  const [stopped] = await putAll(fake, [standingRecord(1)], { allowedFields: ['companies.weir_dunning'] })
  expect(stopped).toMatchObject({ kind: 'stopped', code: 'field_not_allowed' })
  expect(fake.sent).toHaveLength(before)
})
