// A namespace of OpenMeter as its API shows it: a plan of two phases with tiers, a minimum, a discount; events; an invoice. Ids are ours.

const stamps = { createdAt: '2026-03-01T00:00:00Z', updatedAt: '2026-03-01T00:00:00Z' }
const month = { from: '2026-10-01T00:00:00Z', to: '2026-11-01T00:00:00Z' }

const card = (key: string, price: object | null, more: object = {}) => ({
  type: price === null || !('type' in price) || price.type === 'flat' ? 'flat_fee' : 'usage_based',
  key,
  name: key,
  billingCadence: 'P1M',
  price,
  ...more,
})

const fee = card(
  'fee',
  { type: 'flat', amount: '50', paymentTerm: 'in_advance' },
  { discounts: { percentage: { percentage: 10 } } },
)
const tokens = card(
  'tokens',
  {
    type: 'tiered',
    mode: 'graduated',
    tiers: [
      { upToAmount: '100', flatPrice: null, unitPrice: { type: 'unit', amount: '0.1' } },
      { flatPrice: null, unitPrice: { type: 'unit', amount: '0.05' } },
    ],
    minimumAmount: '1',
  },
  { featureKey: 'tokens', discounts: { usage: { quantity: '20' } } },
)
const calls = card(
  'calls',
  { type: 'package', amount: '2', quantityPerPackage: '10' },
  { featureKey: 'gpt4' },
)

export const plan = {
  ...{
    id: 'plan-id',
    key: 'pro',
    version: 2,
    name: 'Pro',
    currency: 'USD',
    billingCadence: 'P1M',
    status: 'active',
    ...stamps,
  },
  phases: [
    { key: 'trial', name: 'Trial', duration: 'P1M', rateCards: [] },
    {
      key: 'default',
      name: 'Default',
      duration: null,
      rateCards: [fee, tokens, calls, card('setup', { type: 'flat', amount: '9' }, { billingCadence: null })],
    },
  ],
}

const item = (one: { readonly key: string }, more: object = {}) => ({
  ...one,
  id: `item-${one.key}`,
  activeFrom: '2026-04-01T00:00:00Z',
  ...stamps,
  ...more,
})

export const subscription = {
  ...{
    id: 'sub-01',
    name: 'Pro',
    customerId: 'cust-01',
    currency: 'USD',
    billingCadence: 'P1M',
    status: 'active',
    ...stamps,
  },
  ...{
    activeFrom: '2026-03-01T00:00:00Z',
    billingAnchor: '2026-03-01T00:00:00Z',
    plan: { id: 'plan-id', key: 'pro', version: 2 },
  },
  phases: [
    {
      id: 'ph-1',
      key: 'trial',
      name: 'Trial',
      activeFrom: '2026-03-01T00:00:00Z',
      activeTo: '2026-04-01T00:00:00Z',
      items: [],
      itemTimelines: {},
    },
    {
      id: 'ph-2',
      key: 'default',
      name: 'Default',
      activeFrom: '2026-04-01T00:00:00Z',
      items: [
        item(fee),
        item(tokens),
        item(calls, { price: { type: 'package', amount: '1.5', quantityPerPackage: '10' } }),
      ],
      itemTimelines: {},
    },
  ],
}

export const ingested = (id: string, time: string, data: object, ingestedAt = time) => ({
  event: { id, source: 'app', specversion: '1.0', type: 'prompt', subject: 'acme', time, data },
  ...{ customerId: 'cust-01', ingestedAt, storedAt: ingestedAt },
})

export const events = [
  ingested('a', '2026-10-02T00:00:00Z', { usage: { tokens: 150 }, model: 'gpt-4' }),
  ingested('b', '2026-10-03T00:00:00Z', { usage: { tokens: '70' }, model: 'other' }),
  ...Array.from({ length: 11 }, (_, at) =>
    ingested(`c${at}`, '2026-10-04T00:00:00Z', { usage: { tokens: 0 }, model: 'gpt-4' }),
  ),
]

const totals = (amount: string, more: object = {}) => ({
  amount,
  chargesTotal: '0',
  discountsTotal: '0',
  creditsTotal: '0',
  taxesTotal: '0',
  total: amount,
  ...more,
})

export const line = (key: string, price: object, amount: object, more: object = {}) => ({
  ...{
    id: `line-${key}`,
    name: key,
    managedBy: 'subscription',
    status: 'valid',
    type: 'usage_based',
    currency: 'USD',
    period: month,
  },
  ...{
    subscription: {
      subscription: { id: 'sub-01' },
      phase: { id: 'ph-2' },
      item: { id: `item-${key}` },
      billingPeriod: month,
    },
  },
  rateCard: { price },
  totals: amount,
  ...more,
})

/** 50 less 10 %; (220 − 20) tokens: 100 × 0.1 + 100 × 0.05; 12 calls with gpt-4: 2 packages at 1.5. */
export const lines = [
  line('fee', { type: 'flat' }, totals('50', { discountsTotal: '5' }), {
    discounts: {
      amount: [{ id: 'd', reason: { type: 'ratecard_percentage', percentage: 10 }, amount: '5' }],
    },
  }),
  line('tokens', { type: 'tiered' }, totals('15'), { quantity: '200', meteredQuantity: '220' }),
  line('calls', { type: 'package' }, totals('3', { taxesTotal: '0.57' }), {
    quantity: '12',
    meteredQuantity: '12',
  }),
]

const meters = [
  {
    id: 'm1',
    slug: 'tokens_total',
    eventType: 'prompt',
    aggregation: 'SUM',
    valueProperty: '$.usage.tokens',
    groupBy: { model: '$.model' },
    ...stamps,
  },
  {
    id: 'm2',
    slug: 'prompts',
    eventType: 'prompt',
    aggregation: 'COUNT',
    groupBy: { model: '$.model' },
    ...stamps,
  },
  {
    id: 'm3',
    slug: 'mean',
    eventType: 'prompt',
    aggregation: 'MEDIAN',
    valueProperty: '$.usage.tokens',
    ...stamps,
  },
]
const features = [
  { id: 'f1', key: 'tokens', name: 'Tokens', meterSlug: 'tokens_total', ...stamps },
  {
    id: 'f2',
    key: 'gpt4',
    name: 'GPT 4',
    meterSlug: 'prompts',
    meterGroupByFilters: { model: 'gpt-4' },
    ...stamps,
  },
]

export function openmeterFiles(
  own: {
    readonly events?: readonly object[]
    readonly lines?: readonly object[]
    readonly subscription?: object
  } = {},
): ReadonlyMap<string, string> {
  const page = (items: readonly object[]) =>
    JSON.stringify({ items, totalCount: items.length, page: 1, pageSize: 100 })
  const customer = {
    id: 'cust-01',
    key: 'acme',
    name: 'Acme',
    currency: 'USD',
    usageAttribution: { subjectKeys: ['acme'] },
    ...stamps,
  }
  const invoice = {
    id: 'inv',
    status: 'issued',
    currency: 'USD',
    issuedAt: '2026-11-01T02:00:00Z',
    customer: { id: 'cust-01' },
    lines: own.lines ?? lines,
  }
  return new Map([
    ['customers.json', page([customer])],
    ['features.json', JSON.stringify(features)],
    ['meters.json', JSON.stringify(meters)],
    ['plans.json', page([plan])],
    ['subscriptions.json', page([own.subscription ?? subscription])],
    ['events.json', JSON.stringify({ items: own.events ?? events })],
    ['invoices.json', page([invoice])],
  ])
}
