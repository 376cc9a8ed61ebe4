// Salesforce without an org: the conformance suite, bitmaps, and from quotes to subscriptions.

import avro from 'avsc'
import { expect, test } from 'vitest'
import type { Outcome } from '../map/map-arrival.js'
import type { CrmRecord } from '../quotes/deal.js'
import { openSamples } from '../testing/conformance.js'
import { describeConformance } from '../testing/describe-conformance.js'
import {
  account,
  bundle,
  line,
  quote,
  salesforceMapping,
  salesforceSamples,
  sold,
} from '../testing/salesforce-samples.js'
import { changeArrivals, expandBitmaps, readSchema } from './change-event.js'
import type { SoldDocument } from './documents.js'

describeConformance(salesforceSamples)

async function outcomeOf(document: SoldDocument, mapping = salesforceMapping): Promise<Outcome> {
  const open = await openSamples({ ...salesforceSamples, mapping })
  const [outcome] = await open.outcomes(open.arrivals({ name: 'x', body: JSON.stringify(document) }))
  return outcome!
}

/** Type without `weir.subscription.`, first day, and what else is said. */
async function told(document: SoldDocument, mapping?: string): Promise<readonly unknown[]> {
  const outcome = await outcomeOf(document, mapping)
  if (outcome.kind !== 'events') throw new Error(JSON.stringify(outcome))
  return outcome.events.map(({ type, data }) => {
    const { subscription_id, customer_id, sequence, metadata, timezone, entity_id, ...said } = data
    return [type.replace('weir.subscription.', ''), said]
  })
}

async function faultsOf(document: SoldDocument): Promise<readonly string[]> {
  const outcome = await outcomeOf(document)
  return outcome.kind === 'waits'
    ? [...new Set(outcome.faults.map(({ code }) => code))].sort()
    : [outcome.kind]
}

const seats = (quantity: number, more: CrmRecord = {}) =>
  line('a0L02', 'SEAT', quantity, { SBQQ__RequiredBy__c: 'a0L01', ...more })
const pro = line('a0L01', 'PRO', 1)
const calls = { price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit' }

test('a bundle with a discount that begins later is a subscription with an override, on the local day, under the correlation id of the quote', async () => {
  const lines = [
    pro,
    seats(5, { SBQQ__ListPrice__c: 20, SBQQ__NetPrice__c: 216, SBQQ__ProrateMultiplier__c: 12 }),
    line('a0L03', 'CALLS', 1, { SBQQ__NetPrice__c: 0.008 }),
    line('a0L04', 'SETUP', 1, { SBQQ__NetPrice__c: 900 }),
  ]
  const outcome = await outcomeOf(sold(lines))
  expect(outcome).toMatchObject({
    kind: 'events',
    events: [
      {
        type: 'weir.subscription.created',
        subject: 'acme',
        correlationid: 'a0Q000000000001AAA',
        data: {
          subscription_id: 'a0Q000000000001AAA',
          customer_id: 'acme',
          entity_id: 'de',
          timezone: 'Europe/Berlin',
        },
      },
    ],
  })
  expect(await told(sold(lines))).toEqual([
    [
      'created',
      {
        ...{ effective_from: '2026-02-28T23:00:00Z', effective_until: '2027-02-28T23:00:00Z' },
        ...{ plan: 'pro', quantities: { seats: '5' } },
        price_overrides: [
          {
            price: 'seats',
            kind: 'recurring',
            amount: '18',
            per: 'unit',
            default_quantity: '0',
            timing: 'in_advance',
          },
          { ...calls, unit_amount: '0.008' },
        ],
      },
    ],
  ])
})

test('a ramp becomes amendments of days to come, and what is not sold any more has the quantity 0', async () => {
  const lines = [
    pro,
    seats(5, { SBQQ__EndDate__c: '2026-05-31' }),
    line('a0L03', 'SEAT', 9, { SBQQ__StartDate__c: '2026-06-01', SBQQ__EndDate__c: '2026-08-31' }),
    line('a0L05', 'SUPPORT', 1, { SBQQ__NetPrice__c: 40, SBQQ__EndDate__c: '2026-08-31' }),
  ]
  const support = { price: 'support', kind: 'recurring', per: 'subscription', timing: 'in_advance' }
  const until = { effective_until: '2027-02-28T23:00:00Z' }
  const discounted = { price_overrides: [{ ...support, amount: '40' }] }
  expect(await told(sold(lines))).toEqual([
    [
      'created',
      {
        effective_from: '2026-02-28T23:00:00Z',
        ...until,
        plan: 'pro',
        quantities: { seats: '5' },
        ...discounted,
      },
    ],
    [
      'amended',
      {
        effective_from: '2026-05-31T22:00:00Z',
        ...until,
        change: 'ramp',
        quantities: { seats: '9' },
        ...discounted,
      },
    ],
    [
      'amended',
      {
        ...{
          effective_from: '2026-08-31T22:00:00Z',
          ...until,
          change: 'ramp',
          quantities: { seats: '0' },
        },
        price_overrides: [{ ...support, amount: '0' }],
      },
    ],
  ])
})

const won = { Id: '006000000000002AAA', IsWon: true, IsClosed: true }
const later = (type: string, start: string, lines: readonly CrmRecord[], opportunity: CrmRecord = won) => ({
  record: quote({
    Id: `a0Q${type}`,
    SBQQ__Type__c: type,
    SBQQ__StartDate__c: start,
    SBQQ__MasterContract__c: '800',
  }),
  lines,
  opportunity,
})

test('amendments, renewals and the end of a contract are told with the first quote each time, whatever order they were read in', async () => {
  const first = sold(bundle(5)).steps[0]!
  const steps = [
    first,
    later('Renewal', '2027-03-01', [pro, seats(8)]),
    later('Amendment', '2026-07-01', [pro, seats(8)]),
    later('Amendment', '2026-08-01', [pro, seats(99)], { ...won, IsWon: false }),
  ]
  const events = await told(sold([], { steps, contracts: [{ Id: '800000000000001AAA' }] }))
  expect(events.map(one => (one as unknown[])[0])).toEqual(['created', 'amended', 'renewed', 'amended'])
  expect(events[0]).toMatchObject([
    'created',
    { contract_id: '800000000000001AAA', quantities: { seats: '5' } },
  ])
  expect(events[1]).toMatchObject([
    'amended',
    { effective_from: '2026-06-30T22:00:00Z', quantities: { seats: '8' } },
  ])
  expect(events[2]).toEqual([
    'renewed',
    { effective_from: '2027-02-28T23:00:00Z', effective_until: '2028-02-29T23:00:00Z' },
  ])
  const subscriptions = ['2026-09-30', '2026-08-31'].map(day => ({ SBQQ__TerminatedDate__c: day }))
  const ended = await told(sold(bundle(5), { subscriptions }))
  expect(ended.at(-1)).toEqual([
    'cancelled',
    { effective_from: '2026-09-30T22:00:00Z', reason: 'contract_ended' },
  ])
})

test('an exception lists everything that is wrong at once', async () => {
  const lines = [
    pro,
    line('a0L05', 'BASIC', 1),
    line('a0L06', 'SAET', 1),
    seats(5, { SBQQ__BillingFrequency__c: 'Fortnightly' }),
    line('a0L07', 'SUPPORT', 3),
    line('a0L08', 'TIERED', 1, { SBQQ__NetPrice__c: 1 }),
  ]
  const record = quote({
    CurrencyIsoCode: 'USD',
    SBQQ__PaymentTerms__c: 'Net 90',
    SBQQ__SubscriptionTerm__c: null,
  })
  const wrong = sold(lines, {
    account: account({ BillingCountryCode: 'FR', Payer__c: '001000000000009AAA' }),
    above: [{ Id: '001000000000002AAA' }, { Id: '001000000000001AAA' }],
    steps: [{ record, lines, opportunity: null }],
  })
  expect(await faultsOf(wrong)).toEqual([
    ...['account_hierarchy_cycle', 'missing_term', 'no_tax_nexus', 'several_plans', 'terms_not_taken'],
    ...['unknown_frequency', 'unknown_identity', 'unknown_product'],
  ])
  const [oneWrong, ...none] = [lines[0]!, ...lines.slice(4)].filter(one => one !== lines[0])
  expect(none).toHaveLength(1)
  expect(
    await faultsOf(
      sold([pro, oneWrong!, none[0]!], {
        steps: [
          { record: quote({ CurrencyIsoCode: 'USD' }), lines: [pro, oneWrong!, none[0]!], opportunity: null },
        ],
      }),
    ),
  ).toEqual([...['currency_mismatch', 'discount_cannot_be_said', 'quantity_cannot_be_said']])
})

test('what is not won is ignored, what was won and is not any more waits, and a subscription for each bundle is told', async () => {
  const lost = { ...won, IsWon: false }
  expect(await outcomeOf(sold(bundle(1), { opportunity: lost }))).toMatchObject({
    kind: 'ignored',
    reason: 'not_won',
  })
  const contracts = [{ Id: '800000000000001AAA' }]
  expect(await faultsOf(sold(bundle(1), { opportunity: lost, contracts }))).toEqual(['won_taken_back'])
  const two = [...bundle(5), line('a0L11', 'BASIC', 1), line('a0L12', 'BASIC', 0)]
  const outcome = await outcomeOf(sold(two), `${salesforceMapping}subscription_per: bundle\n`)
  const ids = outcome.kind === 'events' ? outcome.events.map(one => one.data['subscription_id']) : []
  expect(ids).toEqual(['a0Q000000000001AAA/BASIC', 'a0Q000000000001AAA/PRO'])
})

test('a mapping file is wrong with its line and the nearest name', async () => {
  const { readMapping } = await salesforceSamples.kind.load()
  const text = salesforceMapping
    .replace('plan: basic', 'plan: basik')
    .replace('price: support', 'price: suport')
  const read = readMapping!(`${text}sels_to: {}\n`, `${salesforceSamples.folder}/mapping.yaml`)
  expect(
    read.kind === 'invalid' && read.problems.map(({ line: at, message }) => `${at}: ${message}`),
  ).toEqual([
    '9: The catalog has no plan basik; the nearest known name is basic.',
    '11: No plan of the catalog has a price suport; the nearest known name is support.',
    expect.stringContaining(
      '17: sels_to is not a field of a mapping of quotes; the nearest known name is sells_to',
    ),
  ])
})

const headerFields = ['entityName', 'changeType', 'changeOrigin', 'transactionKey', 'commitUser']
const schema = {
  type: 'record',
  name: 'AccountChangeEvent',
  fields: [
    {
      name: 'ChangeEventHeader',
      type: {
        type: 'record',
        name: 'ChangeEventHeader',
        fields: [
          ...headerFields.map(name => ({ name, type: 'string' })),
          ...['recordIds', 'nulledFields', 'diffFields', 'changedFields'].map(name => {
            return { name, type: { type: 'array', items: 'string' } }
          }),
          { name: 'sequenceNumber', type: 'int' },
          { name: 'commitTimestamp', type: 'long' },
          { name: 'commitNumber', type: 'long' },
        ],
      },
    },
    { name: 'Name', type: ['null', 'string'] },
    { name: 'Phone', type: ['null', 'string'] },
    {
      name: 'BillingAddress',
      type: [
        'null',
        {
          type: 'record',
          name: 'Address',
          fields: ['Street', 'City', 'Country'].map(name => ({ name, type: ['null', 'string'] })),
        },
      ],
    },
    { name: 'ShippingAddress', type: ['null', 'Address'] },
  ],
}

test('bitmaps are expanded with the schema, also in compound fields, and null means cleared only where it is named', () => {
  const read = readSchema(JSON.stringify(schema))
  expect(expandBitmaps(['0x12', '3-0x5', '4-0x2'], read.fields)).toEqual([
    ...['Name', 'ShippingAddress', 'BillingAddress.Street', 'BillingAddress.Country', 'ShippingAddress.City'],
  ])
  const header = {
    ...{
      entityName: 'Account',
      changeType: 'UPDATE',
      changeOrigin: '',
      transactionKey: 't',
      commitUser: 'u',
    },
    ...{ recordIds: ['001000000000001AAA', '001000000000002AAA'], nulledFields: ['0x4'], diffFields: [] },
    ...{ changedFields: ['0x6', '3-0x2'], sequenceNumber: 1, commitTimestamp: 5, commitNumber: 9 },
  }
  const payload = avro.Type.forSchema(schema as avro.Schema).toBuffer({
    ...{ ChangeEventHeader: header, Name: 'Acme', Phone: null, ShippingAddress: null },
    BillingAddress: { Street: null, City: 'Bonn', Country: null },
  })
  const event = { id: 'e-1', schemaId: 's', payload, replayId: Buffer.from([1]) }
  const { arrivals } = changeArrivals(event, read)
  expect(arrivals.map(({ id }) => id)).toEqual(['e-1/001000000000001AAA', 'e-1/001000000000002AAA'])
  expect(JSON.parse(Buffer.from(arrivals[0]!.bytes).toString())).toMatchObject({
    ...{ entity: 'Account', record_id: '001000000000001AAA', nulled: ['Phone'] },
    ...{ changed: ['Name', 'Phone', 'BillingAddress.City'], values: { Name: 'Acme' } },
  })
  expect(changeArrivals({ ...event, payload: payload.subarray(0, 9) }, read).arrivals).toMatchObject([
    { id: 'e-1', type: 'undecoded' },
  ])
})

test('our own writes and overflows are ignored', async () => {
  const fields = ['Weir_Overdue__c', 'Weir_Dunning__c']
  const own = { own_writes: { users: ['005000000000001AAA'], clients: ['weir'], fields } }
  const open = await openSamples({
    ...salesforceSamples,
    settings: { ...salesforceSamples.settings, ...own },
  })
  const change = (more: CrmRecord) => {
    const body = {
      told: 'change',
      entity: 'Account',
      record_id: '001000000000001AAA',
      change_type: 'UPDATE',
      ...more,
    }
    return open.outcomes(open.arrivals({ name: 'c', body: JSON.stringify(body) }))
  }
  const written = ['Weir_Overdue__c', 'LastModifiedDate', 'LastModifiedById']
  expect(await change({ changed: written })).toMatchObject([{ reason: 'own_write' }])
  expect(await change({ changed: [...written, 'Name'] })).toMatchObject([{ kind: 'fetch' }])
  expect(await change({ user: '005000000000001AAA' })).toMatchObject([{ reason: 'own_write' }])
  expect(await change({ origin: 'com/salesforce/api/rest/62.0;client=weir' })).toMatchObject([
    { reason: 'own_write' },
  ])
  expect(await change({ change_type: 'GAP_OVERFLOW' })).toMatchObject([{ reason: 'read_anew_as_a_whole' }])
  const fetched = { kind: 'fetch', what: { object: 'Account', id: '001000000000001AAA' } }
  expect(await change({ change_type: 'GAP_UPDATE' })).toMatchObject([fetched])
})

test('orders and opportunities with products are sold, too: an order when it is activated, an opportunity when it is won', async () => {
  const of = async (sold_from: string, record: CrmRecord, lines: readonly CrmRecord[]) => {
    const settings = { ...salesforceSamples.settings, sold_from }
    const mapping = salesforceMapping.replace(
      'terms: [Net 30, Net 60]',
      'start_default: close_date\nterm: optional',
    )
    const open = await openSamples({ ...salesforceSamples, settings, mapping })
    const document = sold([], { steps: [{ record, lines, opportunity: null }], opportunity: null })
    const outcomes = await open.outcomes(open.arrivals({ name: 'x', body: JSON.stringify(document) }))
    const [outcome] = outcomes
    return outcome?.kind === 'events'
      ? outcome.events.map(({ data }) => [data['effective_from'], data['quantities']])
      : outcome
  }
  const item = (Id: string, ProductCode: string, Quantity: number) => ({
    Id,
    Quantity,
    Product2: { ProductCode },
    ProductCode,
  })
  const items = [item('802000000000001', 'PRO', 1), item('802000000000002', 'SEAT', 4)]
  const order = { Id: 'a0Q000000000001AAA', EffectiveDate: '2026-03-01', CurrencyIsoCode: 'EUR' }
  expect(await of('order', { ...order, StatusCode: 'Draft' }, items)).toMatchObject({ reason: 'not_won' })
  const begins = ['2026-02-28T23:00:00Z', { seats: '4' }]
  expect(await of('order', { ...order, StatusCode: 'Activated' }, items)).toEqual([begins])
  const opportunity = { Id: 'a0Q000000000001AAA', CloseDate: '2026-03-01', IsWon: true, IsClosed: true }
  expect(await of('opportunity', opportunity, items)).toEqual([begins])
  expect(await of('opportunity', { ...opportunity, IsWon: false }, items)).toMatchObject({
    reason: 'not_won',
  })
})
