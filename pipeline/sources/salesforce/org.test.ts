// Salesforce with an org of the tests, over a real broker: what is told becomes events, without a gap over crashes, lost
// sessions, gaps, overflows and places that the org has forgotten.

import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../../testing/engine-harness.js'
import { type Broker, startBroker } from '../../testing/gateway-fixture.js'
import type { ReachParts } from '../source-kind.js'
import { lookupOf } from '../testing/lookup-of.js'
import { quoteCatalog } from '../testing/quote-files.js'
import { account, line, quote, salesforceMapping } from '../testing/salesforce-samples.js'
import { SourceBench } from '../testing/source-bench.js'
import { salesforceReach } from './reach.js'
import { TestOrg } from './testing/test-org.js'

let org: TestOrg
let broker: Broker
let bench: SourceBench
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

beforeAll(async () => {
  org = await TestOrg.start()
  broker = await startBroker(2)
  bench = await SourceBench.start(broker, options())
})
afterAll(async () => {
  await bench?.remove()
  await broker?.close()
  await org?.stop()
})

function options() {
  return {
    sources: `sources:
  - name: crm
    kind: salesforce
    instance_url: ${org.url}
    pubsub_url: http://127.0.0.1:${org.bus.port}
    login: { client_id: weir, user: weir@acme.example, private_key: { variable: KEY }, url: "${org.url}" }
    requests_per_second: 1000
    ids: { customer: { prefix: sf- } }
    mapping: mapping.yaml
`,
    files: { 'mapping.yaml': salesforceMapping, 'catalog.yaml': quoteCatalog },
    variables: { KEY: key },
    identities: lookupOf(new Map()),
  }
}

const acme = account({ Id: '001000000000001AAA' }) as { readonly Id: string }
const opportunity = { Id: '006000000000001AAA', AccountId: acme.Id, IsWon: false, IsClosed: false }
const link = { SBQQ__Account__c: acme.Id, SBQQ__Opportunity2__c: opportunity.Id }
const seats = (id: string, quantity: number) =>
  line(id, 'SEAT', quantity, { SBQQ__Quote__c: 'a0Q000000000001AAA' }) as { readonly Id: string }
const changes = async () =>
  (await bench.events()).filter(({ type }) => String(type).startsWith('weir.subscription'))
const seatsNow = async () => {
  const all = await changes()
  const newest = all.toSorted((a, b) => sequenceOf(b) - sequenceOf(a))[0]
  return (newest?.['data'] as { quantities?: Record<string, string> })?.quantities?.['seats']
}
const sequenceOf = (event: Record<string, unknown>) =>
  Number((event['data'] as { sequence: number }).sequence)
const status = () => bench.desk.statuses()[0]!

test('an account becomes a customer, and a quote a subscription when its opportunity is won, under the id of the quote', async () => {
  org.put('Account', acme)
  org.put('Opportunity', opportunity)
  org.put('SBQQ__Quote__c', { ...quote(), ...link } as never)
  org.put(
    'SBQQ__QuoteLine__c',
    line('a0L000000000001', 'PRO', 1, { SBQQ__Quote__c: 'a0Q000000000001AAA' }) as never,
  )
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 5))
  await until(async () => (await bench.events()).length > 0)
  expect((await bench.events())[0]).toMatchObject({
    ...{ type: 'weir.customer.upserted', subject: 'sf-001000000000001AAA' },
    data: {
      parent_customer_id: 'sf-001000000000002AAA',
      bill_to_customer_id: 'sf-001000000000003AAA',
      entity_id: 'de',
    },
  })
  org.put('Opportunity', { Id: opportunity.Id, IsWon: true, IsClosed: true })
  await until(async () => (await seatsNow()) === '5')
  expect((await changes())[0]).toMatchObject({ correlationid: 'a0Q000000000001AAA' })
  expect(status().listening).toMatchObject({ state: 'listening', trouble: undefined })
})

test('a session that ends is renewed, a stream that breaks goes on, a new field of a schema is read', async () => {
  org.expire()
  org.bus.disconnect()
  org.put('SBQQ__QuoteLine__c', { ...seats('a0L000000000002', 6), New_Field__c: 'x' } as never)
  await until(async () => (await seatsNow()) === '6')
  const before = org.bus.schemasAsked
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 7))
  await until(async () => (await seatsNow()) === '7')
  expect(org.bus.schemasAsked).toBe(before)
})

test('a gap is read, an overflow is read anew, a line that is deleted counts no more', async () => {
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 8), 'gap')
  await until(async () => (await seatsNow()) === '8')
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 9), 'overflow')
  await until(async () => (await seatsNow()) === '9')
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000003', 1))
  await until(async () => (await seatsNow()) === '10')
  org.remove('SBQQ__QuoteLine__c', 'a0L000000000003')
  await until(async () => (await seatsNow()) === '9')
})

test('a topic that the org does not have is told and stops alone, and is listened to again once it is there', async () => {
  const topic = '/data/OpportunityChangeEvent'
  org.bus.refused.add(topic)
  org.bus.disconnect()
  await until(() => status().listening?.trouble?.code === 'source_refused')
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 10))
  await until(async () => (await seatsNow()) === '10')
  const trouble = { code: 'source_refused', detail: `${topic}: The requested topic was not found.` }
  expect(status().listening).toMatchObject({ state: 'listening', trouble })
  expect(status().trouble).toEqual(trouble)
  org.bus.refused.delete(topic)
  org.bus.disconnect()
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 9))
  await until(async () => (await seatsNow()) === '9')
  await until(() => status().trouble === undefined && status().listening?.state === 'listening')
})

test('after an end it goes on where it was, and what the org has forgotten meanwhile is read anew', async () => {
  const { folder } = bench
  await bench.stop()
  const { subscriptions } = org.bus
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 11))
  bench = await SourceBench.start(broker, options(), folder)
  await until(async () => (await seatsNow()) === '11')
  expect(org.bus.subscriptions).toBe(subscriptions + 6)
  org.bus.keepAlive()
  await bench.stop()
  org.put('SBQQ__QuoteLine__c', seats('a0L000000000002', 12))
  org.bus.forget()
  bench = await SourceBench.start(broker, options(), folder)
  await until(async () => (await seatsNow()) === '12')
  await until(() => status().listening?.trouble === undefined && status().listening?.state === 'listening')
})

test('catching up lists what changed, by a job where there are many, and goes on within it; every object is listed, too', async () => {
  for (let index = 10; index < 17; index += 1)
    org.put('Account', { ...acme, Id: `0010000000000${index}AAA`, ParentId: null } as never, 'nothing')
  const settings = bench.desk.running[0]!.source.settings
  const parts: ReachParts = { source: 'crm', settings, secret: () => key, nowMs: Date.now }
  const reach = salesforceReach(parts, { bulkFrom: 3, pageOf: 3, pollMs: 1 })
  const signal = AbortSignal.timeout(20_000)
  const range = { fromMs: Date.now() - 3_600_000, untilMs: Date.now() + 3_600_000, which: 'all' as const }
  const idsOf = async (
    part: (position: unknown) => Promise<{ ids: readonly string[]; position: unknown }>,
  ) => {
    const found: string[] = []
    let position: unknown
    do {
      const one = await part(position)
      found.push(...one.ids)
      position = one.position === undefined ? undefined : JSON.parse(JSON.stringify(one.position))
    } while (position !== undefined)
    return found
  }
  const caughtUp = (stage: 'rest' | 'subscriptions') =>
    idsOf(async position => {
      const part = await reach.catchUp!({ ...range, stage, position }, signal)
      return { ids: part.arrivals.map(({ id }) => id.replace(/@.*/, '')), position: part.position }
    })
  const accounts = ['01', 10, 11, 12, 13, 14, 15, 16].map(one => `0010000000000${one}AAA`)
  expect(await caughtUp('rest')).toEqual(accounts.map(id => `Account/${id}`))
  expect(org.asked.filter(path => path.endsWith('/results'))).toHaveLength(3)
  expect(new Set(await caughtUp('subscriptions'))).toEqual(new Set(['sold/a0Q000000000001AAA']))
  const listed = await idsOf(async position => {
    const part = await reach.objects!({ stage: 'rest', position }, signal)
    return { ids: part.objects.map(({ object, id }) => `${object} ${id}`), position: part.position }
  })
  expect(listed).toEqual(accounts.map(id => `customer ${id}`))
  await reach.close?.()
})
