// What `simulate` decides beside the core: the instant as of which it answers, and what it prints of dead letters.
// That it equals the oracle, in any order and with any duplicates, is oracle.test.ts.

import { expect, test } from 'vitest'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { parseCatalogValue } from '../../schemas/catalog/catalog-parser.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { nsOf } from '../../schemas/time.js'
import { change, created, testCatalog, usage } from '../testing/core-fixture.js'
import { type SimulateResult, simulate } from './simulate.js'

const nowMs = Date.UTC(2026, 6, 1)

function catalogOf(value: unknown): Catalog {
  const parsed = parseCatalogValue(value)
  if (parsed.kind === 'invalid') throw new Error(JSON.stringify(parsed.problems))
  return parsed.catalog
}

function run(events: readonly unknown[], asOf?: string, catalog: unknown = testCatalog): SimulateResult {
  return simulate({
    catalog: catalogOf(catalog),
    bodies: [Buffer.from(JSON.stringify(events))],
    asOfNs: asOf === undefined ? undefined : nsOf(Date.parse(asOf)),
    nowMs,
  })
}

test('without --as-of it is the latest event time; periods that ended by then are closed', () => {
  const result = run([created(), usage('2026-01-05T00:00:00Z', 2), usage('2026-02-03T00:00:00Z', 4)])
  expect(result.asOfNs).toBe(nsOf(Date.UTC(2026, 1, 3)))
  expect(result.charges.map(one => [one.price, one.status, formatScaled(one.amount)])).toEqual([
    ['base', 'closed', '30'],
    ['tokens', 'closed', '1'],
    ['base', 'open', '30'],
    ['tokens', 'open', '2'],
  ])
})

test('usage after --as-of counts as received and is not owed yet', () => {
  const events = [created(), usage('2026-01-05T00:00:00Z', 2), usage('2026-01-20T00:00:00Z', 4)]
  const result = run(events, '2026-01-10T00:00:00Z')
  expect(result.events).toMatchObject({ received: 3, rated: 2 })
  expect(result.charges.map(one => formatScaled(one.amount))).toEqual(['30', '1'])
})

test('movements are those up to --as-of', () => {
  const events = [created(), change('cancelled', 2, '2026-03-01T00:00:00Z')]
  expect(run(events, '2026-02-01T00:00:00Z').movements.map(one => one.kind)).toEqual(['new_business'])
  expect(run(events, '2026-03-01T00:00:00Z').movements.map(one => one.kind)).toEqual([
    'new_business',
    'churn',
  ])
})

test('of two events with one identity that of the first file is kept, whatever else the files hold', () => {
  const [first, other] = ['1', '2'].map(tokens => usage('2026-01-05T00:00:00Z', tokens, { id: 'same' }))
  for (const files of [
    [[first], [created(), other]],
    [[created(), first], [other]],
    [[first], [other, created()]],
  ]) {
    const bodies = files.map(events => Buffer.from(JSON.stringify(events)))
    const result = simulate({ catalog: catalogOf(testCatalog), bodies, asOfNs: undefined, nowMs })
    expect(result.events).toMatchObject({ rated: 1, conflicting: 1 })
    const tokens = result.charges.find(charge => charge.price === 'tokens')
    expect(formatScaled(tokens!.quantity)).toBe('1')
  }
})

test('nothing is too early or too late to be taken', () => {
  const events = [created(), usage('2026-01-01T00:00:00Z', 1), usage('2027-01-01T00:00:00Z', 1)]
  expect(run(events).events).toMatchObject({ rated: 2, dead_lettered: 0 })
})

test('what a catalog event publishes is known to every event, wherever it stands in the file', () => {
  const published = usage('2026-01-01T00:00:00Z', 0, {
    type: 'weir.catalog.published',
    data: { catalog: { plans: [{ ...testCatalog.plans[0], plan: 'late' }] } },
  })
  const result = run([usage('2026-01-02T00:00:00Z', 2), created({ plan: 'late' }), published])
  expect(result.events).toMatchObject({ rated: 1, applied: 2, parked: 0 })
})

test('a dead letter names its event and says why, in the order of the file', () => {
  const result = run([usage('2026-01-02T00:00:00Z', 'much', { id: 'bad' }), 5])
  expect(result.deadLetters.map(({ eventSource, eventId, code }) => [eventSource, eventId, code])).toEqual([
    ['api', 'bad', 'invalid_value'],
    ['', '', 'not_an_object'],
  ])
})
