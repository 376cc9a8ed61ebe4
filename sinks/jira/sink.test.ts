// Jira: the conformance suite on its fake, and what is special to it.

import { afterEach, expect, test } from 'vitest'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { conformanceOf } from '../testing/conformance.js'
import { caseRecord, exceptionIdOf } from '../write-back/testing/standing-record.js'
import { JiraFake, secrets } from './testing/fake.js'

const fakes: JiraFake[] = []
const { signal } = new AbortController()

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close()
})

async function fakeWith(): Promise<JiraFake> {
  const fake = await new JiraFake().start()
  fakes.push(fake)
  return fake
}

async function putOne(fake: JiraFake, record: ConnectorRecord, given = {}): Promise<PutOutcome> {
  const [outcome] = await (await fake.connector(given)).put([record], signal)
  return outcome!
}

conformanceOf({
  name: 'Jira',
  start: nowMs => new JiraFake({ nowMs, lateMs: 60_000 }).start(),
  faults: ['timeout_before_commit', 'timeout_after_commit', '429_with_retry_after'],
  refuses: true,
  secrets: Object.values(secrets),
  restartStride: 12,
  recordOf: caseRecord,
})

const settled = caseRecord(1, { number: 2, state: 'settled' })

test('an issue has its exception as a label, and is told once and moved when it is settled, and again when it failed again', async () => {
  const fake = await fakeWith()
  const again = caseRecord(1, { number: 3, comment: 'It failed again.' })
  for (const record of [caseRecord(1), caseRecord(1), settled, settled, again, again])
    expect(await putOne(fake, record)).toMatchObject({ kind: 'accepted' })
  const [issue] = fake.issues.all()
  expect(fake.issues.keys()).toEqual([exceptionIdOf(1)])
  expect(issue!.document.labels).toEqual([`weir-${exceptionIdOf(1)}`, 'weir'])
  expect(fake.comments.keys()).toEqual([2, 3].map(number => `${exceptionIdOf(1)}-${number}`))
  expect(fake.statuses.get(issue!.id)).toBe('To Do')
})

test('a comment whose issue was not moved is not written twice, and the issue is moved', async () => {
  const fake = await fakeWith()
  await putOne(fake, caseRecord(1))
  fake.fail('500_after_commit') // the comment is there, and nobody knows
  expect(await putOne(fake, settled)).toMatchObject({ kind: 'unclear' })
  const connector = await fake.connector()
  expect(await connector.find(settled, signal)).toEqual({ kind: 'absent' })
  expect(await putOne(fake, settled)).toMatchObject({ kind: 'accepted' })
  expect(fake.comments.keys()).toEqual([`${exceptionIdOf(1)}-2`])
  expect(await connector.find(settled, signal)).toMatchObject({ kind: 'there' })
})

test('a status that nothing leads to is refused in words', async () => {
  const fake = await fakeWith()
  await putOne(fake, caseRecord(1))
  fake.statuses.set(fake.issues.all()[0]!.id, 'Archived')
  expect(await putOne(fake, settled)).toMatchObject({
    kind: 'refused',
    code: 'receiver_refused',
    detail: 'from Archived nothing leads to Done; there is nothing',
  })
})

test('a wrong token stops the connection and is not kept; a field that is not allowed is never sent', async () => {
  const fake = await fakeWith()
  const outcome = await putOne(fake, caseRecord(1), { secrets: { JIRA_TOKEN: 'wrong-token-7' } })
  expect(outcome).toMatchObject({ kind: 'stopped', code: 'credentials_refused' })
  expect(JSON.stringify(outcome)).not.toContain('wrong-token-7')
  const before = fake.sent.length
  const stopped = await putOne(fake, caseRecord(1), { allowedFields: ['issue.summary'] })
  expect(stopped).toMatchObject({ kind: 'stopped', code: 'field_not_allowed' })
  expect(fake.sent).toHaveLength(before)
})
