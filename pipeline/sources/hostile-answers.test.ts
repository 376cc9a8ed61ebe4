// What an arrival or an answer of a source names leads nowhere but to that source, and into no query.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { basicHeader } from './basic-proof.js'
import { chargebeeReach } from './chargebee/reach.js'
import { hubspotReach } from './hubspot/reach.js'
import { recurlyReach } from './recurly/reach.js'
import { ChangedRecords } from './salesforce/bulk.js'
import { Org } from './salesforce/org.js'
import { WholeObjects } from './salesforce/whole-objects.js'
import type { CatchUpRequest } from './source-kind.js'
import { stripeReach } from './stripe/reach.js'
import { ApiFake } from './testing/api-fake.js'

const signal = AbortSignal.timeout(20_000)
let next = ''
const page = () => ({ object: 'list', has_more: true, next, data: [] })
const basic = new ApiFake(basicHeader('key', ''), page)
const elsewhere = new ApiFake('', () => ({}))

beforeAll(() => Promise.all([basic.open(), elsewhere.open()]))
afterAll(() => Promise.all([basic.close(), elsewhere.close()]))

test('a next page at another address gets no request and no key', async () => {
  const reach = recurlyReach(basic.parts())
  const request: CatchUpRequest = { fromMs: 0, untilMs: 1, stage: 'rest', which: 'all', position: undefined }
  for (const address of [
    `${elsewhere.url}/accounts`,
    `${basic.url}@${new URL(elsewhere.url).host}/accounts`,
  ]) {
    next = address
    const { position } = await reach.catchUp!(request, signal)
    await expect(reach.catchUp!({ ...request, position }, signal)).rejects.toMatchObject({
      code: 'redirected',
    })
  }
  next = `//${new URL(elsewhere.url).host}/accounts`
  const { position } = await reach.catchUp!(request, signal)
  await reach.catchUp!({ ...request, position }, signal)
  expect(elsewhere.asked).toEqual([])
})

test('an id of dots is no object: nothing beside the objects is read with our key', async () => {
  const before = basic.asked.length
  const parts = basic.parts({ properties: { deal: [], company: [], line_item: [] } })
  const asked = [
    [recurlyReach(parts), 'account'],
    [chargebeeReach(parts), 'customer'],
    [stripeReach(parts, 0), 'customer'],
    [hubspotReach(parts), 'company'],
  ] as const
  for (const [reach, object] of asked)
    for (const id of ['.', '..'])
      expect(await reach.fetch!({ object, id }, signal)).toMatchObject({ kind: 'gone' })
  expect(basic.asked.length).toBe(before)
})

test('what an org answers in place of an id goes into no query, and pages without end are left', async () => {
  const queries: string[] = []
  const org = (records: readonly object[]) =>
    ({
      async query(soql: string) {
        queries.push(soql)
        return { records, atMs: 1, total: 1 }
      },
    }) as unknown as Org
  const stretch = { object: 'Account', fromMs: 0, untilMs: undefined }
  const Id = "x' OR Name != '"
  for (const record of [{ Id, SystemModstamp: '2026-01-01T00:00:00Z' }, { Id: '001000000000001AAA' }])
    await expect(
      new ChangedRecords(org([record]), { pageOf: 1 }).part(stretch, undefined, signal),
    ).rejects.toMatchObject({ code: 'answer_not_understood' })
  const whole = new WholeObjects(org(Array.from({ length: 200 }, () => ({ Id }))), 'quote')
  await expect(whole.accounts(['001000000000001AAA', Id], signal)).rejects.toMatchObject({
    code: 'answer_not_understood',
  })
  expect(queries.length).toBeGreaterThan(4)
  expect(queries.filter(one => one.includes('Name'))).toEqual([])
  const login = { client_id: 'a', client_secret: { variable: 'S' } }
  const settings = { instance_url: basic.url, login, api_version: 'v64.0', requests_per_second: 1_000 }
  const endless = new Org({ settings, secret: () => 's', nowMs: Date.now })
  let pages = 0
  endless.call = async () => {
    pages += 1
    const body = JSON.stringify({ records: [], done: false, nextRecordsUrl: '/services/data/v64.0/query/1' })
    return { kind: 'answer', status: 200, headers: new Headers(), body, redact: text => text }
  }
  await expect(endless.query('SELECT Id FROM Account', signal)).rejects.toMatchObject({
    code: 'answer_not_understood',
  })
  expect(pages).toBe(2)
})
