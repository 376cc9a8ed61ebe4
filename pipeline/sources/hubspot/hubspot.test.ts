// HubSpot: the conformance suite, what a signature covers, deals, and the API of a server of the tests.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Outcome } from '../map/map-arrival.js'
import type { CrmRecord } from '../quotes/deal.js'
import { SourceTrouble } from '../source-kind.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { type DealDocument, documentDraft } from './documents.js'
import { hubspotReach } from './reach.js'
import { splitArray } from './split-body.js'
import { company, deal, hubspotSamples, item, publicUrl, told } from './testing/hubspot-samples.js'

describeConformance(hubspotSamples)

async function outcomeOf(document: DealDocument): Promise<Outcome> {
  const open = await openSamples(hubspotSamples)
  const arrival = open.arrivalOf(documentDraft(document))
  return (await open.outcomes([arrival]))[0]!
}

test('the signature covers the address that HubSpot called, and each event of a request is an arrival with its own bytes', async () => {
  const open = await openSamples(hubspotSamples)
  const body = JSON.stringify([told(1), told(2, { propertyValue: '],{"' }), told(1)], null, 1)
  const request = hubspotSamples.request(
    { name: 'x', body },
    hubspotSamples.secrets[0],
    Date.UTC(2026, 10, 27, 12),
  )
  const arrivals = open.proven(request)
  expect(arrivals.map(({ id }) => id)).toEqual([
    ...['1/9/500/1768000000001', '2/9/500/1768000000002', '1/9/500/1768000000001'],
  ])
  expect(JSON.parse(Buffer.from(arrivals[1]!.bytes).toString())).toEqual(told(2, { propertyValue: '],{"' }))
  const moved = { ...open.settings, public_url: publicUrl.replace('from=', 'for=') }
  expect(open.loaded.verify(request, open.secrets, Date.UTC(2026, 10, 27, 12), moved)).toMatchObject({
    code: 'signature_invalid',
  })
  expect(
    ['[1, [2], {"a": 3}]', ' [ ] ', '{}', '[1', '[1] 2', '[,1]'].map(
      text => splitArray(Buffer.from(text))?.length,
    ),
  ).toEqual([...[3, undefined, undefined, undefined, undefined, undefined]])
})

test('a deal that is won is a subscription from its close date or the first day of its lines, with discounts and terms', async () => {
  expect(await outcomeOf(deal())).toMatchObject({
    kind: 'events',
    events: [
      {
        ...{ type: 'weir.subscription.created', subject: 'acme', correlationid: '500' },
        data: {
          ...{ effective_from: '2026-02-28T23:00:00Z', effective_until: '2027-02-28T23:00:00Z', plan: 'pro' },
          ...{ quantities: { seats: '5' }, entity_id: 'de' },
        },
      },
    ],
  })
  const discounted = await outcomeOf(
    deal({
      line_items: [
        item('1', 'PRO', { hs_recurring_billing_start_date: '2026-04-01' }),
        item('2', 'SEAT', {
          price: '20',
          hs_discount_percentage: '12.5',
          hs_recurring_billing_start_date: '2026-04-01',
        }),
      ],
    }),
  )
  expect(discounted).toMatchObject({
    events: [
      {
        data: {
          ...{ effective_from: '2026-03-31T22:00:00Z', effective_until: '2027-03-31T22:00:00Z' },
          price_overrides: [{ price: 'seats', amount: '17.5' }],
        },
      },
    ],
  })
  const open = { id: 'open', metadata: { isClosed: 'false', probability: '1.0' } }
  expect(await outcomeOf(deal({ stage: open }))).toMatchObject({ kind: 'ignored', reason: 'not_won' })
  expect(await outcomeOf(deal({ stage: null }))).toMatchObject({ kind: 'ignored', reason: 'not_won' })
  expect(await outcomeOf(deal({ company: null }))).toMatchObject({ kind: 'waits' })
})

test('a deal that is closed at an instant begins on the day of that instant in the time zone of the mapping, also where clocks change', async () => {
  const begins = async (closedate: string) => {
    const outcome = await outcomeOf(
      deal({
        deal: { ...deal().deal, properties: { closedate, deal_currency_code: 'EUR', dealstage: 'won' } },
      }),
    )
    return outcome.kind === 'events' ? outcome.events[0]!.data['effective_from'] : outcome.kind
  }
  // In Berlin it is April already. Clocks go forward on 29 March and back on 25 October, an hour after midnight in UTC.
  expect(await begins('2026-03-31T22:30:00Z')).toBe('2026-03-31T22:00:00Z')
  expect(await begins('2026-04-01T00:30:00.000+0200')).toBe('2026-03-31T22:00:00Z')
  expect(await begins('2026-03-29T01:30:00Z')).toBe('2026-03-28T23:00:00Z')
  expect(await begins('2026-10-25T00:30:00Z')).toBe('2026-10-24T22:00:00Z')
  expect(await begins('2026-10-25T23:30:00Z')).toBe('2026-10-25T23:00:00Z')
  // A day, in each of the ways in which it is written.
  for (const day of ['2026-04-01', '2026-04-01T00:00:00Z', '2026-04-01T23:30:00'])
    expect(await begins(day)).toBe('2026-03-31T22:00:00Z')
  for (const none of ['2026-02-30', '2026-04-01T99:00:00Z', '1775001600000', '2026-04-01T22:30:00+99:99'])
    expect(await begins(none)).toBe('waits')
})

test('a merge names the deal that is left, our own changes are dropped, and an id may stand in a property', async () => {
  const settings = {
    ...hubspotSamples.settings,
    own_sources: ['777'],
    own_properties: ['weir_overdue'],
    ids: { customer: { metadata: 'weir_id' } },
  }
  const { read: _read, ...unread } = hubspotSamples
  const open = await openSamples({ ...unread, settings })
  const { objectId: _, ...nameless } = told(1, { subscriptionType: 'deal.merge', newObjectId: 501 })
  const of = async (event: CrmRecord) => {
    const body = JSON.stringify([event])
    const request = hubspotSamples.request(
      { name: 'x', body },
      hubspotSamples.secrets[0],
      Date.UTC(2026, 10, 27, 12),
    )
    return open.outcomes(open.proven(request).map(draft => open.arrivalOf(draft)))
  }
  expect(await of(nameless)).toMatchObject([{ kind: 'fetch', what: { object: 'deal', id: '501' } }])
  const written = told(3, { subscriptionType: 'company.propertyChange', propertyName: 'weir_overdue' })
  expect(await of(written)).toMatchObject([{ kind: 'ignored', reason: 'own_write' }])
  expect(await of(told(2, { sourceId: '777' }))).toMatchObject([{ kind: 'ignored', reason: 'own_write' }])
  const known = { ...company, properties: { name: 'Acme', weir_id: 'acme' } }
  const draft = documentDraft({ read: 'company', at_ms: 1_768_000_000_000, company: known, above: [] })
  expect(await open.outcomes([open.arrivalOf(draft)])).toMatchObject([
    { events: [{ subject: 'acme', data: { parent_customer_id: null } }] },
  ])
})

let server: Server
let url: string
let refused = false
let isEmpty = false
const asked: string[] = []
const ofDeal = {
  companies: { results: [{ id: '77' }] },
  'line items': { results: [{ id: '2' }, { id: '1' }] },
}
const objects: Readonly<Record<string, CrmRecord>> = {
  'deals/500': { ...deal().deal, associations: ofDeal },
  'companies/77': company,
  'companies/78': { id: '78', properties: { hs_parent_company_id: null } },
  'line_items/2': { id: '2', associations: { deals: { results: [{ id: '500' }] } } },
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    asked.push(`${request.method} ${pathname}`)
    request.resume()
    request.on('end', () => {
      const send = (status: number, value: unknown) =>
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
      const path = pathname.replace('/crm/v3/objects/', '')
      if (refused || request.headers.authorization !== 'Bearer the-key') return send(401, { message: 'no' })
      if (pathname === '/crm/v3/pipelines/deals') return send(200, { results: [{ stages: [deal().stage] }] })
      if (path.endsWith('/batch/read')) return send(200, { results: deal().line_items })
      if (path.endsWith('/search')) {
        if (isEmpty) return send(200, {})
        const results = path.startsWith('deals') ? [{ id: '500', updatedAt: '2026-01-09T00:00:00Z' }] : []
        return send(200, { total: results.length, results })
      }
      expect(searchParams.get('properties')).toContain(',')
      const found = objects[path]
      return found === undefined ? send(404, { message: 'none' }) : send(200, found)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => server?.close())

test('a deal is read with its stage, line items, company and those above it, also for a line item; lists are searched', async () => {
  const settings = {
    api_url: url,
    api_key: { variable: 'KEY' },
    rate: { per_second: 1_000 },
    properties: { deal: [], company: [], line_item: [] },
  }
  const reach = hubspotReach({ source: 'crm', settings, secret: () => 'the-key', nowMs: Date.now })
  const signal = AbortSignal.timeout(10_000)
  const found = await reach.fetch!({ object: 'line_item', id: '2' }, signal)
  if (found.kind !== 'found') throw new Error(found.kind)
  const document = JSON.parse(Buffer.from(found.arrival.bytes).toString()) as DealDocument
  expect(await outcomeOf(document)).toMatchObject({
    kind: 'events',
    events: [{ data: { quantities: { seats: '5' } } }],
  })
  expect(document.above).toEqual([{ id: '78', properties: { hs_parent_company_id: '' } }])
  const again = await reach.fetch!({ object: 'deal', id: '500' }, signal)
  expect(again).toMatchObject({ arrival: { id: found.arrival.id } })
  expect(asked.filter(one => one.endsWith('/pipelines/deals'))).toHaveLength(1)
  expect(await reach.fetch!({ object: 'deal', id: '9' }, signal)).toMatchObject({ kind: 'gone' })
  const range = { fromMs: 0, untilMs: Date.now(), which: 'all' as const, stage: 'subscriptions' as const }
  const first = await reach.catchUp!({ ...range, position: undefined }, signal)
  expect(first.arrivals.map(({ id }) => id)).toEqual([found.arrival.id])
  expect(first.position).toBeUndefined()
  isEmpty = true // an answer without a list is none
  await expect(reach.catchUp!({ ...range, position: undefined }, signal)).rejects.toMatchObject({
    code: 'answer_not_understood',
  })
  refused = true
  await expect(reach.fetch!({ object: 'deal', id: '500' }, signal)).rejects.toThrow(SourceTrouble)
})
