import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRows } from '../../schemas/arrow-rows.js'
import { concatenateStreams } from '../../schemas/arrow-streams.js'
import { scaledMax } from '../../schemas/decimal.js'
import { ratedUsageTable } from '../../schemas/tables.js'
import type { RatedRow } from '../stages/rate.js'
import type { LedgerOutput } from './core-io.js'
import { RatedUsageColumns, ratedUsageRow } from './rated-usage-columns.js'

const at = { ratedAtMs: Date.UTC(2026, 0, 20), partition: 3, ledgerSequence: 17 }

/** Few values, so that neighbours are often equal, and hostile ones among them. */
const text = fc.constantFrom(
  '',
  'a',
  'plain',
  'x'.repeat(60),
  'Zürich',
  '日本語',
  '😀',
  '\ud800',
  'é'.repeat(50),
)
const instant = fc.constantFrom(0, -1, 1, 2 ** 32, 2 ** 32 - 1, -(2 ** 33), Date.UTC(9999, 0, 1))
const decimal = fc.constantFrom(0n, 1n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n, scaledMax, -scaledMax)
const sharedMaps = [
  new Map(),
  new Map([['model', 'm']]),
  new Map([
    ['a', 'ü'],
    ['b', 'x'.repeat(70)],
  ]),
]
const dimensions = fc.oneof(
  fc.constantFrom(...sharedMaps),
  fc.array(fc.tuple(text, text), { maxLength: 3 }).map(entries => new Map(entries)),
)
const event = fc.record({
  source: text,
  id: text,
  type: text,
  timeMs: instant,
  ingestedAtMs: instant,
  customerId: text,
  pinnedSubscriptionId: text,
  correlationId: text,
  traceparent: text,
})
const charge = fc.record({
  chargeId: text,
  customerId: text,
  subscriptionId: text,
  price: text,
  meter: text,
  plan: text,
  planVersion: fc.constantFrom(1, 2 ** 32 - 1),
  entityId: text,
  currency: text,
  subscriptionVersion: fc.constant(1),
  fromMs: instant,
  untilMs: instant,
})
const row = fc.record({
  kind: fc.constantFrom('usage', 'correction', 'retraction'),
  event,
  reading: fc.record({ meter: text, quantity: decimal, text, dimensions }),
  charge: fc.option(charge, { nil: undefined }),
  subscriptionVersion: fc.constantFrom(0, 1, 2 ** 40),
  plan: text,
  planVersion: fc.constantFrom(0, 1),
  entityId: text,
  eventCount: fc.constantFrom(1, 0, -1),
  amount: decimal,
}) as unknown as fc.Arbitrary<RatedRow>

function encoded(rows: readonly RatedRow[], maxRows: number, maxBytes: number): LedgerOutput[] {
  const columns = new RatedUsageColumns(maxRows, maxBytes)
  const out: LedgerOutput[] = []
  for (const rated of rows) columns.add(rated, at, out)
  columns.flush(out)
  return out
}

test('columns written value by value are the columns of the rows, to the byte', () => {
  const rows = fc.array(row, { minLength: 1, maxLength: 90 })
  fc.assert(
    fc.property(rows, given => {
      const [output, ...more] = encoded(given, 1_000, 1e9)
      const expected = encodeRows(
        ratedUsageTable,
        given.map(rated => ratedUsageRow(rated, at)),
      )
      expect(more).toEqual([])
      expect(output?.rows).toBe(given.length)
      expect(Buffer.compare(output!.bytes, expected)).toBe(0)
    }),
    { numRuns: 100 },
  )
})

test('chunks keep their bounds, hold every row once and in order, and serve one commit after the other', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 4 })
  const rows = Array.from({ length: 500 }, (_, i): RatedRow => {
    // One row is larger than a chunk may be, and stands alone.
    const id = i === 77 ? 'x'.repeat(50_000) : `id-${i}`
    return { ...sample!, event: { ...sample!.event, id } }
  })
  const columns = new RatedUsageColumns(100, 40_000)
  for (let commit = 0; commit < 2; commit += 1) {
    const out: LedgerOutput[] = []
    for (const rated of rows) columns.add(rated, at, out)
    columns.flush(out)
    const table = tableFromIPC(concatenateStreams(out.map(({ bytes }) => bytes)))
    expect([...table.getChild('event_id')!]).toEqual(rows.map(rated => rated.event.id))
    for (const { bytes, rows: count } of out) {
      expect(count).toBeLessThanOrEqual(100)
      expect(bytes.length <= 40_000 || count === 1).toBe(true)
    }
    expect(out.reduce((sum, one) => sum + one.rows, 0)).toBe(500)
  }
})
