// The catalog of the benchmarks: an LLM gateway that meters two quantities in three dimensions, on two plans, one of
// unit prices and one of graduated tiers. In the shape of contract section 3, as a system of record publishes it.

const dimensions = ['model', 'region', 'tier']

export const meters = [
  { meter: 'tokens_in', event_type: 'llm.request', aggregation: 'sum', value: 'input_tokens', dimensions },
  { meter: 'tokens_out', event_type: 'llm.request', aggregation: 'sum', value: 'output_tokens', dimensions },
] as const

export const plans = [
  {
    plan: 'payg',
    version: 1,
    currency: 'USD',
    billing_period: 'month',
    proration: 'second',
    prices: [
      { price: 'input', kind: 'usage', meter: 'tokens_in', model: 'per_unit', unit_amount: '0.0000025' },
      { price: 'output', kind: 'usage', meter: 'tokens_out', model: 'per_unit', unit_amount: '0.00001' },
    ],
  },
  {
    plan: 'growth',
    version: 1,
    currency: 'USD',
    billing_period: 'month',
    proration: 'second',
    prices: [
      { price: 'base', kind: 'recurring', amount: '99.00', per: 'subscription', timing: 'in_advance' },
      {
        price: 'input',
        kind: 'usage',
        meter: 'tokens_in',
        model: 'graduated',
        tiers: [
          { up_to: '10000', unit_amount: '0.0000028' },
          { up_to: '1000000', unit_amount: '0.0000025', flat_amount: '0.10' },
          { up_to: null, unit_amount: '0.000002', flat_amount: '1.00' },
        ],
      },
      {
        price: 'output',
        kind: 'usage',
        meter: 'tokens_out',
        model: 'graduated',
        tiers: [
          { up_to: '5000', unit_amount: '0.000014' },
          { up_to: null, unit_amount: '0.000012', flat_amount: '0.50' },
        ],
      },
    ],
  },
] as const

export const catalogWire = { meters, plans }

export type PlanName = (typeof plans)[number]['plan']

/** Every customer has one subscription, on a plan by its number. */
export function planOf(customer: number): PlanName {
  return customer % 2 === 0 ? 'payg' : 'growth'
}

export function customerIdOf(customer: number): string {
  return `cus_${String(customer).padStart(6, '0')}`
}
