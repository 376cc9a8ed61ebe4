// What is told of the customers of catalog.yaml: before the first billing run, and after it.

type Data = Readonly<Record<string, unknown>>

function event(id: string, type: string, subject: string, data: Data, time?: string): object {
  return {
    specversion: '1.0',
    source: '/prices',
    id,
    type,
    subject,
    ...(time === undefined ? {} : { time }),
    data,
  }
}

function change(customer: string, sequence: number, kind: string, effectiveFrom: string, data: Data): object {
  const of = { subscription_id: `s-${customer}`, customer_id: customer, sequence }
  const type = `weir.subscription.${kind}`
  return event(`${customer}-${sequence}`, type, customer, { ...of, effective_from: effectiveFrom, ...data })
}

function added(customer: string, charge: string, amount: string, kind: string): object {
  const of = {
    subscription_id: `s-${customer}`,
    customer_id: customer,
    charge,
    amount,
    currency: 'USD',
    kind,
  }
  return event(`${customer}-${charge}`, 'weir.charge.added', customer, {
    ...of,
    effective_from: '2026-01-20T00:00:00Z',
  })
}

function calls(customer: string, id: string, n: number, time: string): object {
  return event(`${customer}-${id}`, 'call', customer, { n }, time)
}

function zoned(id: string, zone: string, n: number, time: string): object {
  return event(`dora-${id}`, 'call', 'dora', { n, zone }, time)
}

function inProject(customer: string, day: number, n: number): object {
  const time = `2026-01-${String(day).padStart(2, '0')}T1${n}:00:00Z`
  return event(
    `${customer}-p${n}`,
    'call',
    customer,
    { n: 313 * (n + 1), project: n % 2 === 0 ? 'x' : 'y' },
    time,
  )
}

function seat(customer: string, action: string, user: string, time: string): object {
  return event(`${customer}-${action}-${user}`, 'seat', customer, { user, team: 'core', action }, time)
}

const start = { plan: 'team', plan_version: 1 }

export const told: readonly object[] = [
  change('acme', 1, 'created', '2026-01-01T00:00:00Z', { ...start, coupons: ['FIFTH', 'WELCOME'] }),
  change('acme', 2, 'amended', '2026-01-11T00:00:00Z', { quantities: { seats: '9' } }),
  change('bolt', 1, 'created', '2026-01-10T12:00:00Z', {
    ...start,
    timezone: 'Europe/Berlin',
    coupons: ['WELCOME'],
  }),
  change('bolt', 2, 'cancelled', '2026-02-20T00:00:00Z', {}),
  change('cora', 1, 'created', '2026-01-01T00:00:00Z', {
    ...start,
    trial_until: '2026-01-15T00:00:00Z',
    commitments: [{ commitment: 'spend', amount: '900', true_up: 'period_end' }],
  }),
  change('cora', 2, 'amended', '2026-02-05T00:00:00Z', { billing_anchor: '2026-02-05T00:00:00Z' }),
  change('dora', 1, 'created', '2026-01-05T00:00:00Z', {
    ...{ plan: 'ramp', effective_until: '2026-07-05T00:00:00Z', coupons: ['FIFTH'] },
    commitments: [
      {
        commitment: 'spend',
        amount: '100',
        period: 'month',
        true_up: 'period_end',
        applies_to: ['zones', 'large'],
      },
    ],
  }),
  ...['a', 'b', 'c', 'test'].flatMap((zone, n) =>
    [8, 17, 28].map(day =>
      zoned(`${zone}-${day}`, zone, day * 97 * (n + 1), `2026-01-${String(day).padStart(2, '0')}T08:00:00Z`),
    ),
  ),
  event('eva', 'weir.customer.upserted', 'eva', { customer_id: 'eva', currency: 'JPY' }),
  ...['eva', 'finn'].flatMap(customer => [
    change(customer, 1, 'created', '2026-01-05T00:00:00Z', { plan: 'world', timezone: 'Asia/Tokyo' }),
    ...[8, 8, 17, 28].map((day, n) => inProject(customer, day, n)),
    seat(customer, 'add', 'ann', '2026-01-10T00:00:00Z'),
    seat(customer, 'add', 'bob', '2026-01-20T12:00:00Z'),
    seat(customer, 'remove', 'ann', '2026-02-10T00:00:00Z'),
  ]),
  added('acme', 'training', '450', 'one_off'),
  added('bolt', 'goodwill', '12.345', 'credit'),
  ...['acme', 'bolt', 'cora'].flatMap(customer =>
    [3, 12, 18, 27].map(day =>
      calls(customer, `jan-${day}`, day * 101, `2026-01-${String(day).padStart(2, '0')}T10:00:00Z`),
    ),
  ),
]

export const toldLater: readonly object[] = [
  event('finn', 'weir.customer.upserted', 'finn', { customer_id: 'finn', currency: 'JPY' }),
  seat('eva', 'remove', 'bob', '2026-02-01T00:00:00Z'),
  inProject('eva', 8, 7),
  event('finn-taken', 'weir.usage.retracted', 'finn', { event_source: '/prices', event_id: 'finn-p2' }),
  zoned('late', 'b', 4321, '2026-01-30T00:00:00Z'),
  change('dora', 2, 'amended', '2026-02-15T00:00:00Z', { commitments: [] }),
  calls('acme', 'late', 777, '2026-01-14T23:59:59Z'),
  change('acme', 3, 'amended', '2026-01-21T00:00:00Z', { quantities: { seats: '4' }, coupons: ['FIFTH'] }),
  event('cora-taken', 'weir.usage.retracted', 'cora', { event_source: '/prices', event_id: 'cora-jan-27' }),
  event('acme-untold', 'weir.charge.cancelled', 'acme', {
    ...{ customer_id: 'acme', event_source: '/prices', event_id: 'acme-training' },
  }),
]
