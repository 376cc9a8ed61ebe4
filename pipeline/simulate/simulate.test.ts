import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Catalog } from '../../schemas/catalog.js'
import { parseCatalogValue } from '../../schemas/catalog-parser.js'
import { type Charge, chargeToWire } from '../../schemas/charge.js'
import { formatScaled } from '../../schemas/decimal.js'
import { movementToWire } from '../../schemas/mrr-movement.js'
import { change, created, testCatalog, usage } from '../partition/core-fixture.js'
import type { OracleEvent } from './oracle-events.js'
import { Dice, randomHistory } from './random-history.js'
import { asOfMs, runCore } from './random-run.js'
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
    asOfMs: asOf === undefined ? undefined : Date.parse(asOf),
    nowMs,
  })
}

const wire = (charges: readonly Charge[]) =>
  charges.map(charge => JSON.stringify(chargeToWire(charge))).sort()

test('the same events in any order, with any duplicates, give the same charges and movements', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.constantFrom('plain', 'every_model'), (seed, order, extent) => {
      const { catalog, received } = randomHistory(seed, extent as 'plain')
      const once = [...new Map(received.map(event => [event.id, event])).values()]
      const dice = new Dice(order)
      const again = dice.shuffled([...received, ...received.filter(() => dice.chance(0.3))])
      const first = run(sortedByTime(once), undefined, catalog)
      const second = run(again, undefined, catalog)
      expect(wire(second.charges)).toEqual(wire(first.charges))
      expect(second.movements.map(movementToWire)).toEqual(first.movements.map(movementToWire))
    }),
    { numRuns: 150 },
  )
})

function sortedByTime(events: readonly OracleEvent[]): OracleEvent[] {
  return events.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : a.id < b.id ? -1 : 1))
}

test('every aggregation and price model comes out as in one go, whatever the batches, re-rating and restarts', () => {
  let answers = 0
  for (let seed = 1; seed <= 250; seed += 1) {
    const history = randomHistory(seed, 'every_model')
    const plain = run(history.received, new Date(asOfMs).toISOString(), history.catalog)
    const rough = runCore(seed, history)
    answers += rough.answers
    expect([seed, wire(rough.core.charges(asOfMs))]).toEqual([seed, wire(plain.charges)])
    for (const charge of plain.charges.filter(one => one.kind === 'usage' && one.status === 'closed')) {
      const rows = rough.rated.filter(row => row.chargeId === charge.chargeId)
      const sum = rows.reduce((total, row) => total + row.amount, 0n)
      expect([seed, charge.price, formatScaled(sum)]).toEqual([
        seed,
        charge.price,
        formatScaled(charge.amount),
      ])
    }
  }
  expect(answers).toBeGreaterThan(100)
})

test('without --as-of it is the latest event time; periods that ended by then are closed', () => {
  const result = run([created(), usage('2026-01-05T00:00:00Z', 2), usage('2026-02-03T00:00:00Z', 4)])
  expect(result.asOfMs).toBe(Date.UTC(2026, 1, 3))
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

test('a dead letter names its event and says why', () => {
  const result = run([usage('2026-01-02T00:00:00Z', 'much', { id: 'bad' }), 5])
  expect(result.deadLetters.map(({ source, id, code }) => [source, id, code])).toEqual([
    ['', '', 'not_an_object'],
    ['api', 'bad', 'invalid_value'],
  ])
})

test('every charge of a random history is explained, and the explanation comes to it', () => {
  let explained = 0
  for (let seed = 1; seed <= 60; seed += 1) {
    const { catalog, received } = randomHistory(seed, 'every_model')
    const result = simulate({
      catalog: catalogOf(catalog),
      bodies: [Buffer.from(JSON.stringify(received))],
      asOfMs: undefined,
      nowMs,
      explain: true,
    })
    const amounts = result.explanations?.map(({ charge, explanation }) => [
      charge.chargeId,
      explanation.amount,
    ])
    expect(amounts).toEqual(result.charges.map(charge => [charge.chargeId, charge.amount]))
    const rounded = result.explanations?.map(({ explanation }) => explanation.amountRounded)
    expect(rounded).toEqual(result.charges.map(charge => charge.amountRounded))
    explained += result.charges.length
  }
  expect(explained).toBeGreaterThan(500)
})
