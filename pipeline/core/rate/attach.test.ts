// Which subscription usage goes to, and when it waits or is refused.

import { expect, test } from 'vitest'
import { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { resolvePrices } from '../../../rating/timeline/price-lines.js'
import { resolveTimeline } from '../../../rating/timeline/timeline.js'
import { parseCatalogValue } from '../../../schemas/catalog/catalog-parser.js'
import type { MeteredEvent } from '../../../schemas/event/metered-event.js'
import type { SubscriptionChange } from '../../../schemas/lifecycle/lifecycle-event.js'
import { attachEvent } from './attach.js'

const matrix = {
  price: 'gpu',
  kind: 'usage',
  meter: 'gpu',
  model: 'matrix',
  cells: [{ when: { type: 'a' }, unit_amount: '1' }],
}
const perUnit = { price: 'calls', kind: 'usage', meter: 'calls', model: 'per_unit', unit_amount: '1' }
const plan = (name: string, prices: unknown[]) => ({
  plan: name,
  version: 1,
  currency: 'USD',
  billing_period: 'month',
  prices,
})
const parsed = parseCatalogValue({
  meters: [
    { meter: 'calls', event_type: 'job', aggregation: 'count' },
    { meter: 'gpu', event_type: 'job', aggregation: 'sum', value: 'seconds', dimensions: ['type'] },
  ],
  plans: [plan('both', [perUnit, matrix]), plan('calls', [perUnit])],
})
if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
const catalog = new CatalogIndex(parsed.catalog)

function subscription(subscriptionId: string, planName: string, ...more: Partial<SubscriptionChange>[]) {
  const base = { subscriptionId, customerId: 'c', eventSource: '', eventId: '', correlationId: '' }
  const created = {
    ...base,
    kind: 'created',
    sequence: 1,
    effectiveFromNs: 100n,
    plan: planName,
    planVersion: 1,
  }
  const changes = [created, ...more.map((one, n) => ({ ...base, sequence: n + 2, ...one }))]
  return resolvePrices(resolveTimeline(changes as SubscriptionChange[])!, catalog)
}

function event(type: string | undefined, more: Partial<MeteredEvent> = {}): MeteredEvent {
  const dimensions = new Map(type === undefined ? [] : [['type', type]])
  return {
    source: 's',
    id: '1',
    type: 'job',
    timeNs: 150n,
    ingestedAtMs: 200,
    customerId: 'c',
    pinnedSubscriptionId: '',
    correlationId: '',
    traceparent: '',
    input: { stream: 'METERING', sequence: 1 },
    readings: [
      { meter: 'calls', quantity: 1n, text: '1', dimensions: new Map() },
      { meter: 'gpu', quantity: 5n, text: '5', dimensions },
    ],
    ...more,
  }
}

const outcome = (...args: Parameters<typeof attachEvent>) => {
  const attachment = attachEvent(...args)
  if (attachment.kind === 'waiting') return 'waiting'
  if (attachment.kind === 'refused') return attachment.rejection.code
  const assigned = attachment.assignments.map(one => `${one.segment.line.price.price}:${one.cell}`)
  return [...assigned, ...attachment.unwanted.map(one => `${one.meter} unwanted`)]
}

test('every reading goes to the prices on its meter, by its matrix cell', () => {
  expect(outcome(event('a'), [subscription('s1', 'both')])).toEqual(['calls:0', 'gpu:0'])
})

test('a reading that no price wants does not keep the others from being attached', () => {
  expect(outcome(event('a'), [subscription('s1', 'calls')])).toEqual(['calls:0', 'gpu unwanted'])
})

test('one reading without a matrix cell refuses the whole event', () => {
  expect(outcome(event('b'), [subscription('s1', 'both')])).toBe('no_matrix_cell')
  expect(outcome(event(undefined), [subscription('s1', 'both')])).toBe('no_matrix_cell')
})

test('two subscriptions that price one meter are ambiguous, a pin decides', () => {
  const both = [subscription('s1', 'calls'), subscription('s2', 'both')]
  expect(outcome(event('a'), both)).toBe('ambiguous_subscription')
  expect(outcome(event('a', { pinnedSubscriptionId: 's2' }), both)).toEqual(['calls:0', 'gpu:0'])
  expect(outcome(event('a', { pinnedSubscriptionId: 's3' }), both)).toBe('waiting')
})

test('a suspended subscription refuses, one that is not in force leaves the event waiting', () => {
  const suspended = subscription('s1', 'both', { kind: 'suspended', effectiveFromNs: 140n })
  const cancelled = subscription('s1', 'both', { kind: 'cancelled', effectiveFromNs: 150n })
  expect(outcome(event('a'), [suspended])).toBe('subscription_suspended')
  expect(outcome(event('a'), [cancelled])).toBe('waiting')
  expect(outcome(event('a', { timeNs: 149n }), [cancelled])).toEqual(['calls:0', 'gpu:0'])
  expect(outcome(event('a', { timeNs: 99n }), [subscription('s1', 'both')])).toBe('waiting')
})
