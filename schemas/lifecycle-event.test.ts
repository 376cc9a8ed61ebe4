import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { validateEvent } from './cloud-event.js'
import {
  isLifecycleType,
  type LifecycleEvent,
  lifecycleTypes,
  parseLifecycleEvent,
} from './lifecycle-event.js'
import { packageRoot } from './package-root.js'
import type { Parsed } from './rejection.js'

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
  ['ok', { unheard_of: true, entity_id: null, quantities: null }],
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

test('an amendment may not take an end away by null, for that could mean either', () => {
  expect(refusal({ effective_until: null }, 'weir.subscription.amended')).toBe(
    'invalid_data /data/effective_until',
  )
  expect(refusal({ effective_until: null })).toBe('ok')
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
  expect(parse({ ...event, data: {} })).toMatchObject({ rejection: { code: 'invalid_catalog' } })
})
