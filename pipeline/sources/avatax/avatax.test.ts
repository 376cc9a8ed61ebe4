// Transactions of AvaTax and what it refuses become the right events, in whatever order they come.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { basicHeader } from '../basic-proof.js'
import type { ForeignObject } from '../map/object-fields.js'
import { ApiFake } from '../testing/api-fake.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import { avataxReach } from './reach.js'
import {
  avataxSamples,
  avataxSignedSamples,
  line,
  refusal,
  sample,
  transaction,
} from './testing/avatax-samples.js'

describeConformance(avataxSamples)
describeConformance(avataxSignedSamples)

const outcomeOf = async (body: object, settings: object = {}) => {
  const open = await openSamples({ ...avataxSamples, settings: { ...avataxSamples.settings, ...settings } })
  const [outcome] = await open.outcomes(open.arrivals(sample('one', body)))
  return outcome!
}
const eventOf = async (body: object, settings: object = {}) => {
  const outcome = await outcomeOf(body, settings)
  if (outcome.kind !== 'events') throw new Error(JSON.stringify(outcome))
  return outcome.events[0]!
}

test('a committed transaction: its lines by jurisdiction with the charge that each names, every digit as it stands', async () => {
  expect(await eventOf(transaction(1))).toMatchObject({
    ...{ type: 'weir.tax.committed', subject: 'acme', time: '2026-10-02T10:00:01.123Z' },
    data: {
      ...{
        tax_id: 'DEFAULT/SalesInvoice/INV-1',
        document: 'INV-1',
        document_status: 'Committed',
        invoice_id: 'in_1',
      },
      ...{ currency: 'USD', total: '100', total_tax: '7.25', total_exempt: '0' },
      lines: [
        {
          ...{ line: '1', charge_id: 'ch_1', amount: '100', tax_code: 'SW054003', jurisdiction: 'US-CA' },
          rate: '0.06',
          taxable: '100',
          tax: '6',
        },
        { jurisdiction: 'US-CA/ALAMEDA', jurisdiction_type: 'CTY', rate: '0.0125', tax: '1.25' },
      ],
    },
  })
})

test('each status becomes what it means; what owes no tax of ours is ignored', async () => {
  const typeOf = async (more: object) => (await eventOf(transaction(1, more))).type.slice('weir.tax.'.length)
  expect(await typeOf({ version: 2 })).toBe('adjusted')
  expect(await typeOf({ adjustmentReason: 'BadDebt' })).toBe('adjusted')
  expect(await typeOf({ status: 'Cancelled' })).toBe('voided')
  for (const status of ['Saved', 'Posted', 'Uncommitted', 'Queued', 'PendingApproval'])
    expect(await typeOf({ status, lines: undefined })).toBe('pending')
  for (const [more, reason] of [
    [{ status: 'Adjusted' }, 'superseded'],
    [{ status: 'Temporary' }, 'temporary'],
    [{ type: 'SalesOrder' }, 'no_sale'],
    [{ status: 'New' }, 'status_not_mapped'],
  ] as const)
    expect(await outcomeOf(transaction(1, more))).toEqual({ kind: 'ignored', reason })
})

test('what AvaTax refuses is told with its code and words, for the same tax', async () => {
  expect(await eventOf(refusal)).toMatchObject({
    ...{ type: 'weir.tax.failed', subject: 'acme', time: '2026-10-02T09:00:00Z' },
    data: {
      tax_id: 'DEFAULT/SalesInvoice/INV-1',
      code: 'InvalidAddress',
      reason: 'The address is not deliverable. | 309 The address is not deliverable.',
    },
  })
  const other = { ...refusal, request: { ...refusal.request, companyCode: 'OTHER' } }
  expect(await outcomeOf(other)).toEqual({ kind: 'ignored', reason: 'other_company' })
})

test('details that do not add up wait; a transaction without lines is read where it can be', async () => {
  const wrong = await outcomeOf(transaction(1, { lines: [{ ...line, tax: 7.26 }] }))
  expect(wrong).toMatchObject({
    kind: 'waits',
    faults: [{ code: 'tax_does_not_add_up', pointer: '/lines/0/details' }],
  })
  const bare = transaction(1, { lines: undefined })
  expect(await outcomeOf(bare)).toMatchObject({
    kind: 'waits',
    faults: [{ code: 'missing_value', pointer: '/lines' }],
  })
  const api = { account_id: '1', api_key: { variable: 'KEY' } }
  expect(await outcomeOf(bare, api)).toMatchObject({
    kind: 'fetch',
    what: { object: 'transaction', id: 'SalesInvoice/INV-1' },
  })
})

const documents: ForeignObject[] = []
const api = new ApiFake(basicHeader('1', 'key'), ({ pathname, searchParams: query }) => {
  const [, code] = /transactions\/(.+)$/.exec(decodeURIComponent(pathname)) ?? []
  if (code !== undefined) return documents.find(one => one['code'] === code.replace('_-ava2f-_', '/'))
  const [from = '', until = ''] = [
    ...(query.get('$filter') ?? '').matchAll(/modifiedDate [gl]e '([^']+)'/g),
  ].map(one => one[1]!)
  const [fromMs = 0, untilMs = 0] = [from, until].map(Date.parse)
  const changedMs = (one: ForeignObject) => Date.parse(`${String(one['modifiedDate'])}Z`)
  const found = documents.filter(one => changedMs(one) >= fromMs && changedMs(one) <= untilMs)
  return {
    value: found.slice(Number(query.get('$skip')), Number(query.get('$skip')) + Number(query.get('$top'))),
  }
})
beforeAll(() => api.open())
afterAll(() => api.close())

test('what was not sent is read: the list of what changed, in parts, and one document by its code', async () => {
  for (let second = 0; second < 60; second += 1)
    for (const half of [0, 1])
      documents.push(transaction(second, { code: `INV/${second}-${half}` }) as ForeignObject)
  const reach = avataxReach(api.parts({ company_code: 'DEFAULT', account_id: '1' }))
  const { signal } = new AbortController()
  const request = {
    fromMs: Date.UTC(2026, 9, 2, 10),
    untilMs: Date.UTC(2026, 9, 2, 11),
    stage: 'money',
    which: 'all',
  } as const
  const first = await reach.catchUp!({ ...request, position: undefined }, signal)
  const second = await reach.catchUp!({ ...request, position: first.position }, signal)
  expect([first.arrivals.length, second.arrivals.length, second.position]).toEqual([100, 20, undefined])
  expect(new Set([...first.arrivals, ...second.arrivals].map(({ id }) => id)).size).toBe(120)
  const found = await reach.fetch!({ object: 'transaction', id: 'SalesInvoice/INV/7-1' }, signal)
  expect(found).toMatchObject({ kind: 'found', arrival: { type: 'Committed' } })
  expect(api.asked.at(-1)).toContain('INV_-ava2f-_7-1?documentType=SalesInvoice&$include=Details')
  expect(await reach.fetch!({ object: 'transaction', id: 'SalesInvoice/none' }, signal)).toMatchObject({
    kind: 'gone',
  })
})
