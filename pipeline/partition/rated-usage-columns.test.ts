import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRows } from '../../schemas/arrow-rows.js'
import { concatenateStreams } from '../../schemas/arrow-streams.js'
import { scaledMax } from '../../schemas/decimal.js'
import { ratedUsageTable } from '../../schemas/tables.js'
import type { RatedRow } from '../stages/rate.js'
import type { LedgerOutput } from './core-io.js'
import { RatedUsageColumns, type ScannedRow } from './rated-usage-columns.js'
import { ratedUsageRow } from './rated-usage-row.js'
import { UsageTerms } from './rated-usage-terms.js'

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

/** Decoded by another reader than ours; what cannot be text is replaced in both. */
function decoded(streams: readonly Uint8Array[]): string[] {
  const table = tableFromIPC(concatenateStreams(streams))
  return table.toArray().map(row => row.toString())
}

test('columns written value by value are the columns of the rows', () => {
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
      expect(decoded([output!.bytes])).toEqual(decoded([expected]))
    }),
    { numRuns: 100 },
  )
})

/** The row's texts as bytes in a row, with the spans of each. */
function scanned(rated: RatedRow, before: RatedRow | undefined): ScannedRow {
  const { event, reading, charge } = rated
  const parts: Buffer[] = [Buffer.from('{')]
  let end = 1
  const span = (text: string): [number, number] => {
    const bytes = Buffer.from(text)
    parts.push(bytes)
    end += bytes.length
    return text === '' ? [-1, -1] : [end - bytes.length, end]
  }
  const [sourceFrom, sourceUntil] = span(event.source)
  const [idFrom, idUntil] = span(event.id)
  const [correlationFrom, correlationUntil] = span(event.correlationId)
  const [traceparentFrom, traceparentUntil] = span(event.traceparent)
  const valueBytes = Buffer.from(reading.text)
  const valueFrom = end
  parts.push(valueBytes)
  end += valueBytes.length
  const spans = [...reading.dimensions.values()].map(value => {
    const bytes = Buffer.from(value)
    parts.push(bytes)
    end += bytes.length
    return [end - bytes.length, end] as const
  })
  return {
    bytes: Buffer.concat(parts),
    sameEvent: before !== undefined && before.event === event,
    sourceFrom,
    sourceUntil,
    idFrom,
    idUntil,
    correlationFrom,
    correlationUntil,
    traceparentFrom,
    traceparentUntil,
    timeMs: event.timeMs,
    ingestedAtMs: event.ingestedAtMs,
    value: reading.text.length % 2 === 0 ? reading.text : undefined,
    valueFrom,
    valueUntil: valueFrom + valueBytes.length,
    quantity: rated.eventCount < 0 ? -reading.quantity : reading.quantity,
    amount: rated.amount,
    terms: termsOf(rated),
    dimensions: ['absent', ...reading.dimensions.keys()],
    dimensionFrom: [-1, ...spans.map(([from]) => from)],
    dimensionUntil: [-1, ...spans.map(([, until]) => until)],
  }

  function termsOf({ plan, planVersion, subscriptionVersion, entityId, kind, eventCount }: RatedRow) {
    return new UsageTerms({
      eventType: event.type,
      customerId: event.customerId,
      pinnedSubscriptionId: event.pinnedSubscriptionId,
      subscriptionId: charge?.subscriptionId ?? '',
      subscriptionVersion,
      plan,
      planVersion,
      price: charge?.price ?? '',
      meter: reading.meter,
      chargeId: charge?.chargeId ?? '',
      fromMs: charge?.fromMs,
      untilMs: charge?.untilMs,
      currency: charge?.currency ?? '',
      entityId,
      kind,
      eventCount,
    })
  }
}

test('a scanned row has the bytes of the row that is an object, in chunks of the same bounds', () => {
  const several = fc
    .array(fc.tuple(row, fc.array(row, { maxLength: 2 })), { minLength: 1, maxLength: 40 })
    .map(groups =>
      groups.flatMap(([first, more]) => [first, ...more.map(other => ({ ...other, event: first.event }))]),
    )
  fc.assert(
    fc.property(
      several,
      fc.constantFrom(7, 1_000),
      fc.constantFrom(12_000, 1e9),
      (rows, maxRows, maxBytes) => {
        const columns = new RatedUsageColumns(maxRows, maxBytes)
        const out: LedgerOutput[] = []
        rows.forEach((rated, i) => {
          columns.addScanned(scanned(rated, rows[i - 1]), at, out)
        })
        columns.flush(out)
        const expected = encoded(rows, maxRows, maxBytes)
        expect(out.map(one => one.rows)).toEqual(expected.map(one => one.rows))
        out.forEach(({ bytes }, i) => {
          expect(Buffer.compare(bytes, expected[i]!.bytes)).toBe(0)
        })
      },
    ),
    { numRuns: 100 },
  )
})

test('terms that are kept from chunk to chunk, and in two writers at once, stay what they are', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 9 })
  const rows = Array.from({ length: 60 }, (_, i) => scanned({ ...sample!, plan: `plan-${i % 7}` }, undefined))
  const kept = new Map(rows.slice(0, 7).map(one => [one.terms.texts.plan, one.terms]))
  const writers = [new RatedUsageColumns(10, 1e9), new RatedUsageColumns(25, 1e9)]
  const outs: LedgerOutput[][] = [[], []]
  for (const one of rows) {
    const again = { ...one, terms: kept.get(one.terms.texts.plan)! }
    writers.forEach((columns, w) => {
      columns.addScanned(again, at, outs[w]!)
    })
  }
  writers.forEach((columns, w) => {
    columns.flush(outs[w]!)
    const table = tableFromIPC(concatenateStreams(outs[w]!.map(({ bytes }) => bytes)))
    expect([...table.getChild('plan')!]).toEqual(rows.map(one => one.terms.texts.plan))
  })
})

test('columns that say the same of every row share their codes', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 3 })
  const rows = (differ: boolean) =>
    Array.from({ length: 1_000 }, (_, i): RatedRow => {
      const plan = `plan-${i % 50}`
      const price = `plan-${i % (differ ? 49 : 50)}`
      return {
        ...sample!,
        plan,
        charge: { ...(sample!.charge ?? {}), chargeId: `c${i}`, price } as RatedRow['charge'] & object,
      } as RatedRow
    })
  const [same] = encoded(rows(false), 1_000, 1e9)
  const [other] = encoded(rows(true), 1_000, 1e9)
  // Two bytes a row, less the one text that the other dictionary lacks.
  expect(other!.bytes.length - same!.bytes.length).toBeGreaterThan(1_950)
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
