// An organization of Lago as its API shows it: a plan with a base fee, tiers, a package with a minimum, a percentage and prices by
// region; October's events; the invoice of October. The customer's days are those of Berlin. Ids are ours.

const created = '2026-03-01T09:00:00Z'

const metric = (code: string, aggregation_type: string, field_name: string | null, more: object = {}) => ({
  ...{
    lago_id: `bm-${code}`,
    code,
    name: code,
    aggregation_type,
    field_name,
    recurring: false,
    created_at: created,
  },
  ...more,
})

const charge = (code: string, charge_model: string, properties: object, more: object = {}) => ({
  ...{
    lago_id: `ch-${code}`,
    code,
    billable_metric_code: code,
    charge_model,
    created_at: created,
    filters: [],
  },
  ...{ pay_in_advance: false, prorated: false, min_amount_cents: 0, properties },
  ...more,
})

export const plan = {
  ...{ lago_id: 'plan-1', code: 'growth', name: 'Growth', interval: 'monthly', created_at: created },
  ...{ amount_cents: 10_000, amount_currency: 'EUR', pay_in_advance: true, trial_period: 0 },
  charges: [
    charge('storage', 'graduated', {
      graduated_ranges: [
        { from_value: 0, to_value: 10, per_unit_amount: '0.5', flat_amount: '0' },
        { from_value: 11, to_value: null, per_unit_amount: '0.3', flat_amount: '2' },
      ],
    }),
    charge(
      'mails',
      'package',
      { amount: '1.5', package_size: 100, free_units: 50 },
      { min_amount_cents: 500 },
    ),
    charge('payouts', 'percentage', { rate: '1.2', fixed_amount: '0.1', free_units_per_events: 1 }),
    charge(
      'egress',
      'standard',
      { amount: '0.09' },
      {
        filters: [
          { values: { region: ['us', 'eu'] }, properties: { amount: '0.05' }, invoice_display_name: null },
        ],
      },
    ),
    charge('odd', 'graduated_percentage', { graduated_percentage_ranges: [] }),
  ],
}

const event = (
  transaction_id: string,
  code: string,
  timestamp: string,
  properties: object,
  more: object = {},
) => ({
  ...{
    lago_id: `ev-${transaction_id}`,
    transaction_id,
    code,
    timestamp,
    properties,
    external_subscription_id: 'sub-1',
  },
  ...{ lago_customer_id: 'c', lago_subscription_id: 's', created_at: timestamp },
  ...more,
})

export const fee = (id: string, code: string, amount_cents: number, units: string, more: object = {}) => ({
  ...{
    lago_id: `fee-${id}`,
    lago_charge_id: `ch-${code}`,
    external_customer_id: 'acme',
    external_subscription_id: 'sub-1',
  },
  ...{
    amount_cents,
    amount_currency: 'EUR',
    units,
    taxes_amount_cents: 0,
    precise_coupons_amount_cents: '0.0',
  },
  ...{ from_date: '2026-09-30T22:00:00Z', to_date: '2026-10-31T22:59:59Z', pay_in_advance: false },
  item: { type: 'charge', code, name: code, lago_item_id: `bm-${code}` },
  ...more,
})

export const events = [
  event('e1', 'storage', '2026-10-02T10:00:00.123Z', { gb: 12 }),
  event('e2', 'storage', '2026-10-20T10:00:00Z', { gb: '3.5' }),
  event('e3', 'mails', '2026-10-05T00:00:00Z', { n: 251 }),
  event('e4', 'payouts', '2026-10-06T00:00:00Z', { amount: '100' }),
  event('e5', 'payouts', '2026-10-07T00:00:00Z', { amount: '200.50' }),
  event('e6', 'egress', '2026-10-08T00:00:00Z', { gb: 7, region: 'eu' }),
  event('e7', 'egress', '2026-10-08T00:00:00Z', { gb: 4, region: 'ap' }),
]

/** Graduated: 10 × 0.5 + 2 + 5.5 × 0.3. Package: ⌈201 ÷ 100⌉ × 1.5 is 4.5, less than the minimum. Percentage: of the second alone. */
export const fees = [
  fee('base', '', 10_000, '1.0', {
    lago_charge_id: null,
    item: { type: 'subscription', code: 'growth', name: 'Growth' },
  }),
  fee('storage', 'storage', 865, '15.5', { precise_amount: '8.65' }),
  fee('mails', 'mails', 450, '251', { precise_amount: '4.5' }),
  fee('mails-up', 'mails', 50, '0', { precise_amount: '0.5', lago_true_up_parent_fee_id: 'fee-mails' }),
  fee('payouts', 'payouts', 251, '300.5', { precise_amount: '2.506' }),
  fee('egress-eu', 'egress', 35, '7', { precise_amount: '0.35', precise_unit_amount: '0.05' }),
  fee('egress', 'egress', 36, '4', { precise_amount: '0.36', precise_unit_amount: '0.09' }),
]

export interface LagoAccount {
  readonly events: readonly object[]
  readonly fees: readonly object[]
  readonly plans: readonly object[]
  readonly subscriptions: readonly object[]
}

export const lagoAccount: LagoAccount = {
  events,
  fees,
  plans: [plan],
  subscriptions: [
    {
      ...{
        lago_id: 's',
        external_id: 'sub-1',
        lago_customer_id: 'c',
        external_customer_id: 'acme',
        billing_time: 'calendar',
        name: null,
      },
      ...{
        plan_code: 'growth',
        status: 'active',
        created_at: created,
        started_at: created,
        subscription_at: created,
      },
      ...{ terminated_at: null, ending_at: null, canceled_at: null, plan_amount_cents: 10_000 },
    },
  ],
}

export function lagoFiles(account: LagoAccount): ReadonlyMap<string, string> {
  const page = (name: string, all: readonly object[]) =>
    JSON.stringify({
      [name]: all,
      meta: { current_page: 1, next_page: null, prev_page: null, total_pages: 1, total_count: all.length },
    })
  const invoice = {
    lago_id: 'inv-1',
    status: 'finalized',
    issuing_date: '2026-11-01',
    created_at: '2026-11-01T01:00:00Z',
    currency: 'EUR',
    fees: account.fees,
  }
  const metrics = [
    metric('storage', 'sum_agg', 'gb'),
    metric('mails', 'sum_agg', 'n'),
    metric('payouts', 'sum_agg', 'amount'),
    metric('egress', 'sum_agg', 'gb', { filters: [{ key: 'region', values: ['us', 'eu', 'ap'] }] }),
    metric('odd', 'sum_agg', 'n'),
    metric('seats', 'unique_count_agg', 'user', { recurring: true }),
  ]
  const customer = {
    lago_id: 'c',
    external_id: 'acme',
    name: 'Acme',
    currency: 'EUR',
    applicable_timezone: 'Europe/Berlin',
    created_at: created,
  }
  return new Map([
    ['1.json', page('customers', [customer])],
    ['2.json', page('billable_metrics', metrics)],
    ['3.json', page('plans', account.plans)],
    ['4.json', page('subscriptions', account.subscriptions)],
    ['events.ndjson', account.events.map(one => `${JSON.stringify(one)}\n`).join('')],
    ['invoice.json', JSON.stringify({ invoice })],
  ])
}
