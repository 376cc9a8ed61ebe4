// Zendesk: the conformance suite on its fake, and what is special to it.

import { afterEach, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { conformanceOf } from '../testing/conformance.js'
import { caseRecord, exceptionIdOf } from '../write-back/testing/standing-record.js'
import { secrets, ZendeskFake } from './testing/fake.js'

const fakes: ZendeskFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(): Promise<ZendeskFake> {
  const fake = await new ZendeskFake().start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: ZendeskFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

conformanceOf({
  name: 'Zendesk',
  start: nowMs => new ZendeskFake({ nowMs, lateMs: 60_000 }).start(),
  faults: ['timeout_before_commit', 'timeout_after_commit', '429_with_retry_after'],
  refuses: true,
  secrets: Object.values(secrets),
  restartStride: 12,
  recordOf: caseRecord,
})

test('a ticket has its exception as external id, and what the configuration says; its end is one private comment', async () => {
  const fake = await fakeWith()
  for (let time = 0; time < 2; time += 1) {
    await putOne(fake, caseRecord(1))
    await putOne(fake, caseRecord(1, { number: 2, state: 'settled' }))
  }
  expect(fake.tickets.all().map(({ document }) => document)).toMatchObject([
    {
      external_id: exceptionIdOf(1),
      priority: 'high',
      tags: ['weir'],
      custom_fields: [{ id: 360_001, value: 'billing' }],
    },
  ])
  expect(fake.comments.all().map(({ document }) => document)).toMatchObject([
    { body: `It was redriven. ann: mended [${exceptionIdOf(1)}-2]`, isPublic: false, status: 'solved' },
  ])
})

test('a comment is found behind a hundred others of people there', async () => {
  const fake = await fakeWith()
  await putOne(fake, caseRecord(1))
  const [ticket] = fake.tickets.all()
  for (let n = 0; n < 150; n += 1)
    fake.comments.add('x', { ticket: ticket!.id, body: 'hm', isPublic: true, status: 'open' }, 0)
  const settled = caseRecord(1, { number: 2, state: 'settled' })
  await putOne(fake, settled)
  expect(await putOne(fake, settled)).toMatchObject({ kind: 'accepted' })
  expect(fake.comments.keys().filter(key => key !== 'x')).toEqual([`${exceptionIdOf(1)}-2`])
})

test('a ticket that was closed there for good is left alone, and refused where it failed again', async () => {
  const fake = await fakeWith()
  await putOne(fake, caseRecord(1))
  fake.closed.add(fake.tickets.all()[0]!.id)
  const settled = await putOne(fake, caseRecord(1, { number: 2, state: 'settled' }))
  expect(settled).toMatchObject({ kind: 'not_for_receiver', code: 'case_closed' })
  const again = await putOne(fake, caseRecord(1, { number: 3, state: 'open' }))
  expect(again).toMatchObject({ kind: 'refused', code: 'case_closed' })
})

test('a wrong token stops the connection and is not kept; a field that is not allowed is never sent', async () => {
  const fake = await fakeWith()
  const outcome = await putOne(fake, caseRecord(1), { secrets: { ZENDESK_TOKEN: 'wrong-token-7' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('wrong-token-7')
  const before = fake.sent.length
  const stopped = await putOne(fake, caseRecord(1), { allowedFields: ['ticket.subject'] })
  expect(stopped).toMatchObject({ kind: 'stopped', code: 'field_not_allowed' })
  expect(fake.sent).toHaveLength(before)
})
