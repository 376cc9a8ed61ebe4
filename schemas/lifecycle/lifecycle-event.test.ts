// Every type of `weir.*` event against golden files, and what is refused in them.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { validateEvent } from '../event/cloud-event.js'
import { isLifecycleType } from '../event/event-stream.js'
import { packageRoot } from '../package-root.js'
import type { Parsed } from '../rejection.js'
import { beginninglessNs, endlessNs } from '../time.js'
import { type LifecycleEvent, lifecycleTypes, parseLifecycleEvent } from './lifecycle-event.js'

interface GoldenEvent {
  readonly event: { readonly type: string; readonly data: Record<string, unknown> }
  readonly inside: unknown
}

const golden: GoldenEvent[] = JSON.parse(
  readFileSync(new URL('schemas/golden/lifecycle-events.json', packageRoot), 'utf8'),
)

function parse(event: unknown): Parsed<LifecycleEvent> {
  const valid = validateEvent(event, 0)
  return valid.kind === 'ok' ? parseLifecycleEvent(valid.value) : valid
}

/** Scaled integers as `5n`, maps as objects, so that JSON can hold them. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) =>
      typeof member === 'bigint' ? `${member}n` : member instanceof Map ? Object.fromEntries(member) : member,
    ),
  )
}

const created = {
  specversion: '1.0',
  id: 'l1',
  source: 'crm',
  type: 'weir.subscription.created',
  subject: 'cus_1',
  data: {
    subscription_id: 'sub_1',
    customer_id: 'cus_1',
    sequence: 0,
    plan: 'pro',
    effective_from: '2026-01-01T00:00:00Z',
  },
}

const spend = { commitment: 'spend', amount: '100', true_up: 'period_end' }

function refusal(data: object, type = created.type): string {
  const parsed = parse({ ...created, type, data: { ...created.data, ...data } })
  return parsed.kind === 'ok' ? 'ok' : `${parsed.rejection.code} ${parsed.rejection.pointer}`
}

test.each(golden.map(entry => [entry.event.type, entry] as const))(
  '%s means what the golden file says',
  (_type, entry) => {
    const parsed = parse(entry.event)
    if (parsed.kind === 'rejected') throw new Error(parsed.rejection.detail)
    expect(plain(parsed.value)).toEqual(entry.inside)
  },
)

test('the golden file has every type', () => {
  expect(new Set(golden.map(entry => entry.event.type))).toEqual(new Set(lifecycleTypes))
})

test('types beginning with weir. are ours, and unknown ones are refused', () => {
  expect(isLifecycleType('weir.subscription.created')).toBe(true)
  expect(isLifecycleType('weird.thing')).toBe(false)
  expect(refusal({}, 'weir.subscription.paused')).toBe('unknown_event_type /type')
})

test('the subject is the customer of the data', () => {
  expect(refusal({ customer_id: 'cus_2' })).toBe('customer_mismatch /subject')
})

test.each<[string, object]>([
  ['ok', {}],
  [
    'ok',
    { entity_id: null, quantities: null, metadata: { unheard_of: true }, coupons: [], po_number: '4711' },
  ],
  ['invalid_data /data/unheard_of', { unheard_of: true }],
  ['ok', { coupons: ['SPRING', 'SUMMER'] }],
  ['invalid_data /data/coupons/2', { coupons: ['SPRING', 'SUMMER', 'SPRING'] }],
  ['invalid_data /data/coupons/0', { coupons: [7] }],
  ['invalid_data /data/coupons', { coupons: 'SPRING' }],
  ['ok', { commitments: [] }],
  [
    'ok',
    {
      commitments: [
        spend,
        { ...spend, commitment: 'b', period: { count: 2, unit: 'week' }, applies_to: ['u'] },
      ],
    },
  ],
  ['invalid_data /data/commitments/1', { commitments: [spend, spend] }],
  ['value_out_of_range /data/commitments/0/amount', { commitments: [{ ...spend, amount: 0 }] }],
  [
    'value_out_of_range /data/commitments/0/amount',
    { commitments: [{ ...spend, amount: `1${'0'.repeat(21)}` }] },
  ],
  ['invalid_data /data/commitments/0/period', { commitments: [{ ...spend, period: 'fortnight' }] }],
  [
    'invalid_data /data/commitments/0/period',
    { commitments: [{ ...spend, period: { count: 0, unit: 'day' } }] },
  ],
  ['invalid_data /data/commitments/0/true_up', { commitments: [{ ...spend, true_up: 'never' }] }],
  ['invalid_data /data/commitments/0/applies_to', { commitments: [{ ...spend, applies_to: ['u', 'u'] }] }],
  ['invalid_data /data/commitments/0/amout', { commitments: [{ ...spend, amout: '1' }] }],
  ['invalid_data /data/subscription_id', { subscription_id: '' }],
  ['invalid_data /data/subscription_id', { subscription_id: undefined }],
  ['invalid_data /data/sequence', { sequence: -1 }],
  ['invalid_data /data/sequence', { sequence: 1.5 }],
  ['invalid_data /data/sequence', { sequence: '1' }],
  ['invalid_data /data/sequence', { sequence: 2 ** 53 }],
  ['ok', { sequence: 2 ** 53 - 1 }],
  ['invalid_data /data/plan', { plan: undefined }],
  ['invalid_data /data/plan_version', { plan_version: 0 }],
  ['invalid_time /data/effective_from', { effective_from: '2026-01-01' }],
  ['invalid_data /data/effective_from', { effective_from: 5 }],
  ['invalid_data /data/effective_until', { effective_until: '2026-01-01T00:00:00Z' }],
  ['ok', { effective_until: '9999-12-31T00:00:00Z' }],
  ['invalid_data /data/timezone', { timezone: 'Mars/Olympus' }],
  ['invalid_data /data/timezone', { timezone: '+02:00' }],
  ['ok', { timezone: 'Asia/Kathmandu' }],
  ['ok', { quantities: { seats: '5', extra: 0 } }],
  ['negative_value /data/quantities/seats', { quantities: { seats: -1 } }],
  ['invalid_value /data/quantities/seats', { quantities: { seats: 'five' } }],
  ['invalid_data /data/quantities/seats', { quantities: { seats: true } }],
  ['value_out_of_range /data/quantities/seats', { quantities: { seats: '9'.repeat(60) } }],
  ['invalid_data /data/price_overrides', { price_overrides: {} }],
  [
    'invalid_catalog /data/price_overrides/0/amount',
    { price_overrides: [{ price: 'a', kind: 'recurring', amount: -1, per: 'unit', timing: 'in_advance' }] },
  ],
])('%s: %j', (expected, data) => {
  expect(refusal(data)).toBe(expected)
})

test('no end and no trial are said with null, and then set', () => {
  const ends = (type: string, data: object) => {
    const { plan: _, ...rest } = created.data
    const parsed = parse({ ...created, type, data: { ...rest, ...data } })
    if (parsed.kind === 'rejected' || parsed.value.kind !== 'subscription_change') throw new Error('refused')
    const { effectiveUntilNs, trialUntilNs } = parsed.value.change
    return [effectiveUntilNs, trialUntilNs]
  }
  const none = [endlessNs, beginninglessNs]
  expect(ends('weir.subscription.amended', { effective_until: null, trial_until: null })).toEqual(none)
  expect(ends('weir.subscription.created', { plan: 'p', effective_until: null, trial_until: null })).toEqual(
    none,
  )
  expect(ends('weir.subscription.renewed', { effective_until: null })).toEqual([none[0], undefined])
  expect(ends('weir.subscription.amended', {})).toEqual([undefined, undefined])
})

const amendable = {
  plan: 'max',
  plan_version: 2,
  quantities: { seats: '2' },
  price_overrides: [],
  effective_until: '2027-01-01T00:00:00Z',
  entity_id: 'de',
  trial_until: '2026-02-01T00:00:00Z',
  billing_anchor: '2026-01-15T00:00:00Z',
}

test('an amendment takes every field that can be amended, and says so of the others', () => {
  const type = 'weir.subscription.amended'
  for (const [name, value] of Object.entries(amendable)) {
    expect([name, refusal({ plan: undefined, [name]: value }, type)]).toEqual([name, 'ok'])
  }
  for (const name of ['timezone', 'contract_id', 'po_number']) {
    const parsed = parse({ ...created, type, data: { ...created.data, [name]: 'UTC' } })
    expect(parsed).toMatchObject({ rejection: { code: 'invalid_data', pointer: `/data/${name}` } })
    if (parsed.kind === 'rejected') expect(parsed.rejection.detail).toContain('cannot be amended')
  }
})

// Each with a letter wrong: the field that was meant, in `data` of which type, and below which pointer.
const misspelt: readonly (readonly [string, string, string, object])[] = [
  [
    'weir.subscription.created',
    '/data/trial_untill',
    'trial_until',
    { trial_untill: '2026-02-01T00:00:00Z' },
  ],
  ['weir.subscription.amended', '/data/quantity', 'quantities', { quantity: { seats: 1 } }],
  ['weir.subscription.renewed', '/data/effective_untl', 'effective_until', { effective_untl: null }],
  ['weir.subscription.cancelled', '/data/reasons', 'reason', { reasons: 'moved' }],
  ['weir.customer.upserted', '/data/entity', 'entity_id', { entity: 'de' }],
  ['weir.customer.upserted', '/data/external_ids/epr', 'erp', { external_ids: { epr: '1' } }],
  ['weir.usage.retracted', '/data/event_ids', 'event_id', { event_ids: 'e1' }],
  ['weir.usage.amended', '/data/subjekt', 'subject', { subjekt: 'cus_2' }],
  ['weir.invoice.paid', '/data/totals', 'total', { totals: 1 }],
  ['weir.payment.failed', '/data/payment', 'payment_id', { payment: 'p' }],
  ['weir.catalog.published', '/data/catalogue', 'catalog', { catalogue: {} }],
  ['weir.fx_rate.published', '/data/rates', 'rate', { rates: '1' }],
]

test.each(misspelt)('%s with %s is refused, and told that %s was meant', (type, pointer, meant, wrong) => {
  const sound = golden.find(entry => entry.event.type === type)!.event
  const parsed = parse({ ...sound, data: { ...sound.data, ...wrong } })
  expect(parsed).toMatchObject({ rejection: { code: 'invalid_data', pointer } })
  if (parsed.kind === 'rejected') expect(parsed.rejection.detail).toContain(`nearest known name is ${meant}.`)
})

test('metadata holds what is yours, in every event of ours', () => {
  for (const { event } of golden) {
    const parsed = parse({ ...event, data: { ...event.data, metadata: { anything: [1] } } })
    expect([event.type, parsed.kind]).toEqual([event.type, 'ok'])
  }
})

test('a type of ours that is not taken yet is refused, never passed over', () => {
  for (const type of ['weir.charge.billed', 'weir.credit.granted', 'weir.']) {
    expect(parse({ ...created, type })).toMatchObject({
      rejection: { code: 'unknown_event_type', pointer: '/type' },
    })
  }
})

test('a price override has no unknown field either', () => {
  const price = {
    price: 'a',
    kind: 'recurring',
    amount: '1',
    per: 'unit',
    timing: 'in_advance',
    currecy: 'USD',
  }
  const parsed = parse({ ...created, data: { ...created.data, price_overrides: [price] } })
  expect(parsed).toMatchObject({
    rejection: { code: 'invalid_data', pointer: '/data/price_overrides/0/currecy' },
  })
})

test.each(['9999-12-31T23:59:59Z', '2200-01-01T00:00:00Z', '9999-12-31'])('an end at %s', end => {
  for (const type of ['created', 'amended', 'renewed']) {
    const { plan, ...rest } = created.data
    const data = { ...rest, ...(type === 'created' ? { plan } : {}), effective_until: end }
    const parsed = parse({ ...created, type: `weir.subscription.${type}`, data })
    if (end === '9999-12-31') {
      expect(parsed).toMatchObject({ rejection: { code: 'invalid_time', pointer: '/data/effective_until' } })
    } else expect(parsed).toMatchObject({ value: { change: { effectiveUntilNs: endlessNs } } })
  }
})

test.each([
  ['weir.subscription.created', 'effective_from', '2200-01-01T00:00:00Z'],
  ['weir.subscription.created', 'effective_from', '0001-01-01T00:00:00Z'],
  ['weir.subscription.created', 'effective_until', '1969-12-31T23:59:59.999999999Z'],
  ['weir.subscription.created', 'trial_until', '9999-12-31T23:59:59Z'],
  ['weir.subscription.created', 'billing_anchor', '1900-01-01T00:00:00Z'],
  ['weir.subscription.cancelled', 'effective_from', '9999-12-31T23:59:59Z'],
])('%s with %s %s is out of range', (type, field, value) => {
  const { plan, ...rest } = created.data
  const data = { ...rest, ...(type === 'weir.subscription.created' ? { plan } : {}), [field]: value }
  expect(parse({ ...created, type, data })).toMatchObject({
    rejection: { code: 'time_out_of_range', pointer: `/data/${field}` },
  })
})

test('the content of a version does not depend on the message that carried it', () => {
  const hash = (event: object) => {
    const parsed = parse(event)
    return (
      parsed.kind === 'ok' && parsed.value.kind === 'subscription_change' && parsed.value.change.contentHash
    )
  }
  expect(hash({ ...created, id: 'other', source: 'x', time: '2026-05-05T00:00:00Z' })).toBe(hash(created))
  expect(hash({ ...created, data: { ...created.data, plan: 'max' } })).not.toBe(hash(created))
})

test('a catalog with a fault is refused with its place', () => {
  const event = {
    ...created,
    type: 'weir.catalog.published',
    subject: undefined,
    data: { catalog: { meters: [{}] } },
  }
  expect(parse(event)).toMatchObject({
    rejection: { code: 'invalid_catalog', pointer: '/data/catalog/meters/0' },
  })
  expect(parse({ ...event, data: {} })).toMatchObject({ rejection: { pointer: '/data/catalog' } })
})

test('a tax whose lines are more than a message of the broker holds is refused, and says how many bytes are taken', () => {
  const line = { line: '1', amount: '1', tax_code: 'SW', jurisdiction: 'US-CA', tax: '0.07' }
  const taxOf = (count: number) => {
    const data = { tax_id: 't', customer_id: 'cus_1', sequence: 1, lines: new Array(count).fill(line) }
    return parse({ ...created, type: 'weir.tax.committed', data })
  }
  expect(taxOf(3_000).kind).toBe('ok')
  expect(taxOf(5_000)).toMatchObject({
    kind: 'rejected',
    rejection: {
      code: 'value_out_of_range',
      pointer: '/data/lines',
      detail: expect.stringContaining('700000'),
    },
  })
})
