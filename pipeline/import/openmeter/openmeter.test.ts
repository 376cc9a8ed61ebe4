// OpenMeter: what its objects become, and what a comparison says of its invoices.

import { expect, test } from 'vitest'
import { compareFiles, importFiles } from '../testing/imported-account.js'
import { events, ingested, lines, openmeterFiles, subscription } from '../testing/openmeter-account.js'
import { openmeterSystem } from './system.js'

function reasonsOf({ report }: ReturnType<typeof compareFiles>) {
  return report.prices.flatMap(one => one.parts.map(part => [one.price, part.reason, part.amount]))
}

test('phases become plans, items that differ from their plan overrides, and what could not be said is named', () => {
  const { taken, findings } = importFiles(openmeterSystem, openmeterFiles())
  expect(taken.plans.map(({ plan, version }) => [plan, version])).toEqual([
    ['pro:trial', 2],
    ['pro:default', 2],
  ])
  expect(taken.plans[1]?.prices.map(one => one.wire)).toMatchObject([
    { price: 'fee', amount: '50', per: 'subscription', discount_percent: '10' },
    { price: 'tokens', meter: 'tokens_total', model: 'graduated', included: '20', minimum: '1' },
    { price: 'calls', meter: 'feature:gpt4', model: 'package', package_amount: '2' },
  ])
  const [created] = taken.lifecycle.filter(({ type }) => type === 'weir.subscription.created')
  expect(created?.data).toMatchObject({
    ...{ customer_id: 'acme', plan: 'pro:default', plan_version: 2, effective_from: '2026-10-01T00:00:00Z' },
    price_overrides: [{ price: 'calls', package_amount: '1.5' }],
  })
  expect(taken.usage[0]).toMatchObject({ id: 'a', source: 'app', subject: 'acme' })
  const left = findings.all
    .filter(({ effect }) => effect === 'left_out')
    .map(({ object, id, code }) => [object, id, code])
  expect(left).toEqual([
    ['meter', 'mean', 'unknown_aggregation'],
    ['rate_card', 'setup', 'one_time_fee'],
  ])
})

test('a phase that begins in the period amends the subscription', () => {
  const [trial, own] = subscription.phases
  const later = {
    ...subscription,
    activeFrom: '2026-10-01T00:00:00Z',
    billingAnchor: '2026-10-01T00:00:00Z',
    phases: [
      { ...trial, activeFrom: '2026-10-01T00:00:00Z', activeTo: '2026-11-01T00:00:00Z' },
      { ...own, activeFrom: '2026-11-01T00:00:00Z' },
    ],
  }
  const { taken } = importFiles(openmeterSystem, openmeterFiles({ subscription: later }))
  expect(
    taken.lifecycle.slice(1).map(({ type, data }) => [type, data['plan'], data['effective_from']]),
  ).toEqual([
    ['weir.subscription.created', 'pro:trial', '2026-10-01T00:00:00Z'],
    ['weir.subscription.amended', 'pro:default', '2026-11-01T00:00:00Z'],
  ])
})

test('what both bill alike differs by tax alone', () => {
  const found = compareFiles(openmeterSystem, openmeterFiles())
  expect(found.report.totals).toEqual([{ currency: 'USD', theirs: '63.57', ours: '63', difference: '-0.57' }])
  expect(reasonsOf(found)).toEqual([['calls', 'tax', '-0.57']])
})

test('an event that came after the invoice is late, and lines by hand are told', () => {
  const late = ingested(
    'late',
    '2026-10-30T00:00:00Z',
    { usage: { tokens: 40 }, model: 'x' },
    '2026-11-02T00:00:00Z',
  )
  const byHand = { ...lines[0]!, id: 'hand', managedBy: 'manual', subscription: undefined }
  const found = compareFiles(
    openmeterSystem,
    openmeterFiles({ events: [...events, late], lines: [...lines, byHand] }),
  )
  expect(reasonsOf(found)).toEqual([
    ['', 'manual_line', '-45'],
    ['calls', 'tax', '-0.57'],
    ['tokens', 'late_event', '2'],
  ])
})

test('an item of another cadence has a period of its own, and holds the subscription back while it is under way', () => {
  const [trial, own] = subscription.phases
  const [fee, ...items] = own!.items as readonly Record<string, unknown>[]
  const yearly = {
    ...subscription,
    phases: [trial, { ...own, items: [{ ...fee, billingCadence: 'P1Y' }, ...items] }],
  }
  const { taken, findings } = importFiles(openmeterSystem, openmeterFiles({ subscription: yearly }))
  const wires = taken.plans.flatMap(({ prices }) => prices.map(({ wire }) => wire))
  const created = taken.lifecycle.find(({ type }) => type === 'weir.subscription.created')
  const overrides = (created?.data['price_overrides'] ?? []) as readonly Record<string, unknown>[]
  const told = [...wires, ...overrides].filter(wire => wire['billing_period'] === 'year')
  expect(told).toMatchObject([{ kind: 'recurring' }])
  expect(findings.all.map(({ code }) => code)).toContain('longer_period_under_way')
})
