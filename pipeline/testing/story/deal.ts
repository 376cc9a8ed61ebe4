// What Acme bought, in the words of its systems: the catalog and the mapping of quotes, the records of the CRM, the calls that it
// made. expected.ts works out by hand what comes of it.

import type { CrmRecord } from '../../sources/quotes/deal.js'

/** As the CRM, the payment system and the ERP call our customer `acme`. */
export const customer = { ours: 'acme', crm: '001000000000001AAA', billing: 'cus_acme', erp: '1042' }
/** The first quote: every station carries its id. */
export const quoteId = 'a0Q000000000001AAA'
const [opportunityId, upgradeQuote, upgradeOpportunity] = [
  '006000000000001AAA',
  'a0Q000000000002AAA',
  '006000000000002AAA',
]
const contractId = '800000000000001AAA'

export const catalog = `meters:
  - { meter: calls, event_type: api.call, aggregation: sum, value: calls }
plans:
  - plan: pro
    version: 1
    currency: EUR
    billing_period: month
    proration: day
    prices:
      - { price: base, kind: recurring, amount: "100", per: subscription, timing: in_advance }
      - { price: seats, kind: recurring, amount: "20", per: unit, timing: in_advance, default_quantity: "0" }
      - price: calls
        kind: usage
        meter: calls
        model: graduated
        tiers: [ { up_to: "1000", unit_amount: "0.01" }, { up_to: null, unit_amount: "0.005" } ]
  - plan: scale
    version: 1
    currency: EUR
    billing_period: month
    proration: day
    prices:
      - { price: base, kind: recurring, amount: "250", per: subscription, timing: in_advance }
      - { price: seats, kind: recurring, amount: "20", per: unit, timing: in_advance, default_quantity: "0" }
      - { price: calls, kind: usage, meter: calls, model: per_unit, unit_amount: "0.004", included: "200" }
`

export const quoteMapping = `timezone: Europe/Berlin
catalog: catalog.yaml
entity: { map: { Germany: de } }
terms: [Net 30]
sells_to: { de: [DE] }
billing_frequency: { Monthly: month }
products:
  - { product: PRO, plan: pro }
  - { product: PRO-BASE, price: base }
  - { product: SCALE, plan: scale }
  - { product: SCALE-BASE, price: base }
  - { product: SEAT, price: seats }
  - { product: ONBOARDING, ignore: a project of its own }
fields: { account: { entity: Entity__c } }
`

/** Days of the entity are days in Berlin. */
export const calendars = `calendars: [ { entity_id: de, timezone: Europe/Berlin } ]
`

export type OrgRecord = CrmRecord & { readonly Id: string }

/** An object of the org, and fields that it gets. */
export type Change = readonly [object: string, record: OrgRecord]

const quote = (id: string, opportunity: string, more: CrmRecord): OrgRecord => ({
  ...{ Id: id, SBQQ__Account__c: customer.crm, SBQQ__Opportunity2__c: opportunity, SBQQ__Primary__c: true },
  ...{ CurrencyIsoCode: 'EUR', SBQQ__PaymentTerms__c: 'Net 30', SBQQ__BillingFrequency__c: 'Monthly' },
  ...more,
})
const line = (
  id: string,
  of: string,
  product: string,
  quantity: number,
  more: CrmRecord = {},
): OrgRecord => ({
  ...{ Id: id, SBQQ__Quote__c: of, SBQQ__ProductCode__c: product, SBQQ__Quantity__c: quantity },
  ...more,
})
const price = (list: number, net: number): CrmRecord => ({ SBQQ__ListPrice__c: list, SBQQ__NetPrice__c: net })

/** Won on 10 September, from 1 October on for a year: a bundle with a tenth off, and a project that is billed elsewhere. */
export const sold: readonly Change[] = [
  [
    'Account',
    {
      ...{ Id: customer.crm, Name: 'Acme', BillingCountryCode: 'DE', CurrencyIsoCode: 'EUR' },
      Entity__c: 'Germany',
    },
  ],
  ['Opportunity', { Id: opportunityId, AccountId: customer.crm, IsWon: false, IsClosed: false }],
  [
    'SBQQ__Quote__c',
    quote(quoteId, opportunityId, {
      ...{ SBQQ__Type__c: 'Quote', SBQQ__StartDate__c: '2026-10-01', SBQQ__SubscriptionTerm__c: 12 },
    }),
  ],
  ['SBQQ__QuoteLine__c', line('a0L000000000001AAA', quoteId, 'PRO', 1)],
  ...bundle(['a0L000000000002AAA', 'a0L000000000003AAA'], quoteId, 'PRO', [100, 90], 5),
  ['SBQQ__QuoteLine__c', line('a0L000000000004AAA', quoteId, 'ONBOARDING', 1, price(2_000, 2_000))],
  ['Opportunity', { Id: opportunityId, CloseDate: '2026-09-10', IsWon: true, IsClosed: true }],
]

/** From 16 October on the larger plan and eight seats, from 1 April on ten; a tenth off as before. */
export const upgraded: readonly Change[] = [
  ['Contract', { Id: contractId, SBQQ__Quote__c: quoteId, AccountId: customer.crm }],
  ['Opportunity', { Id: upgradeOpportunity, AccountId: customer.crm, IsWon: false, IsClosed: false }],
  [
    'SBQQ__Quote__c',
    quote(upgradeQuote, upgradeOpportunity, {
      ...{ SBQQ__Type__c: 'Amendment', SBQQ__StartDate__c: '2026-10-16' },
      SBQQ__MasterContract__c: contractId,
    }),
  ],
  ['SBQQ__QuoteLine__c', line('a0L000000000011AAA', upgradeQuote, 'SCALE', 1)],
  ...bundle(['a0L000000000012AAA', 'a0L000000000013AAA'], upgradeQuote, 'SCALE', [250, 225], 8, '2027-03-31'),
  [
    'SBQQ__QuoteLine__c',
    line('a0L000000000014AAA', upgradeQuote, 'SEAT', 10, {
      ...{ SBQQ__StartDate__c: '2027-04-01', SBQQ__RequiredBy__c: 'a0L000000000011AAA' },
      ...price(20, 18),
    }),
  ],
  ['Opportunity', { Id: upgradeOpportunity, CloseDate: '2026-10-14', IsWon: true, IsClosed: true }],
]

function bundle(
  ids: readonly [string, string],
  of: string,
  product: string,
  [list, net]: readonly [number, number],
  seats: number,
  seatsUntil?: string,
): readonly Change[] {
  const within = { SBQQ__RequiredBy__c: ids[0].replace(/.AAA$/, '1AAA') }
  const until = seatsUntil === undefined ? {} : { SBQQ__EndDate__c: seatsUntil }
  return [
    ['SBQQ__QuoteLine__c', line(ids[0], of, `${product}-BASE`, 1, { ...within, ...price(list, net) })],
    ['SBQQ__QuoteLine__c', line(ids[1], of, 'SEAT', seats, { ...within, ...until, ...price(20, 18) })],
  ]
}

/** The change of plan is at 2026-10-15T22:00:00Z, the end of October in Berlin at 2026-10-31T23:00:00Z. */
const calls: readonly (readonly [id: string, time: string, calls: number])[] = [
  ['call-1', '2026-10-02T09:00:00Z', 700],
  ['call-2', '2026-10-10T12:00:00+02:00', 500],
  ['call-3', '2026-10-15T21:59:59.999Z', 50],
  ['call-4', '2026-10-15T22:00:00Z', 300],
  ['call-5', '2026-10-20T08:30:00Z', 900],
  ['call-6', '2026-10-31T22:59:59.999Z', 100],
  ['call-7', '2026-10-31T23:00:00Z', 40],
]

export const usage: readonly object[] = calls.map(([id, time, count]) => ({
  ...{ specversion: '1.0', id, source: '/gateway', type: 'api.call', subject: customer.ours, time },
  data: { calls: count },
}))
