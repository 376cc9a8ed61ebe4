// Compares rows written as columns with the same rows written as objects.

import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRows } from '../../../schemas/arrow/arrow-rows.js'
import { joinStreams } from '../../../schemas/arrow/arrow-streams.js'
import { scaledMax } from '../../../schemas/money/decimal.js'
import { ratedUsageTable } from '../../../schemas/tables.js'
import { msOf, nanosOf, nsOf, rangeEndMs } from '../../../schemas/time.js'
import type { LedgerOutput } from '../ports/core-io.js'
import type { RatedRow } from '../rate/rate.js'
import type { UsageTerms } from '../state/rated-usage-terms.js'
import type { RowSpans } from './plain-row.js'
import { RatedUsageColumns } from './rated-usage-columns.js'
import { ratedUsageRow } from './rated-usage-row.js'

const at = { ratedAtMs: Date.UTC(2026, 0, 20), partition: 3, ledgerSequence: 17 }

/** Few distinct values, so that neighbours are often equal, and some hostile ones. */
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
const instantNs = fc.oneof(
  fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 32n - 1n, nsOf(rangeEndMs) - 1n),
  fc.bigInt({ min: 0n, max: nsOf(rangeEndMs) - 1n }),
)
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
  timeNs: instantNs,
  ingestedAtMs: instant,
  customerId: text,
  pinnedSubscriptionId: text,
  correlationId: text,
  traceparent: text,
  input: fc.record({
    stream: fc.constantFrom('METERING' as const, 'LIFECYCLE' as const, '' as const),
    sequence: fc.constantFrom(0, 1, 7, 2 ** 32, Number.MAX_SAFE_INTEGER),
  }),
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
  fromNs: instantNs,
  untilNs: instantNs,
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

/** Decoded by an independent reader; bytes that are not valid text are replaced in both. */
function decoded(streams: readonly Uint8Array[]): string[] {
  const table = tableFromIPC(Buffer.concat(joinStreams(streams)!))
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

/** The row's texts as consecutive bytes, with the span of each. */
function scanned(columns: RatedUsageColumns, rated: RatedRow, before: RatedRow | undefined): RowSpans {
  const { event, reading } = rated
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
    timeMs: msOf(event.timeNs),
    timeNanos: nanosOf(event.timeNs),
    ingestedAtMs: event.ingestedAtMs,
    input: event.input,
    value: reading.text.length % 2 === 0 ? reading.text : undefined,
    valueFrom,
    valueUntil: valueFrom + valueBytes.length,
    ...amountsOf(rated),
    terms: columns.keep(termsOf(rated)),
    dimensions: ['absent', ...reading.dimensions.keys()],
    dimensionFrom: [-1, ...spans.map(([from]) => from)],
    dimensionUntil: [-1, ...spans.map(([, until]) => until)],
  }
}

function termsOf(rated: RatedRow): UsageTerms {
  const { charge, event, reading } = rated
  return {
    texts: {
      event_type: event.type,
      customer_id: event.customerId,
      pinned_subscription_id: event.pinnedSubscriptionId,
      subscription_id: charge?.subscriptionId ?? '',
      plan: rated.plan,
      price: charge?.price ?? '',
      meter: reading.meter,
      charge_id: charge?.chargeId ?? '',
      currency: charge?.currency ?? '',
      entity_id: rated.entityId,
      kind: rated.kind,
    },
    subscriptionVersion: rated.subscriptionVersion,
    planVersion: rated.planVersion,
    eventCount: rated.eventCount,
    fromNs: charge?.fromNs,
    untilNs: charge?.untilNs,
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
          columns.addScanned(scanned(columns, rated, rows[i - 1]), at, out)
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

test('terms that are kept from chunk to chunk stay what they are, whatever is released and kept meanwhile', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 9 })
  const planOf = (i: number): RatedRow => ({ ...sample!, plan: `plan-${i}` })
  const columns = new RatedUsageColumns(10, 1e9)
  const out: LedgerOutput[] = []
  const expected: string[] = []
  const add = (terms: number, plan: string): void => {
    columns.addScanned({ ...scanned(columns, sample!, undefined), terms }, at, out)
    expected.push(plan)
  }
  const kept = Array.from({ length: 7 }, (_, i) => columns.keep(termsOf(planOf(i))))
  for (let i = 0; i < 200; i += 1) {
    const passing = columns.keep(termsOf(planOf(100 + i)))
    add(passing, `plan-${100 + i}`)
    columns.release(passing)
    add(kept[i % 7]!, `plan-${i % 7}`)
    columns.add(planOf(1_000 + i), at, out)
    expected.push(`plan-${1_000 + i}`)
  }
  columns.flush(out)
  expect(kept.map(terms => columns.termsOf(terms).texts.plan)).toEqual(kept.map((_, i) => `plan-${i}`))
  const table = tableFromIPC(Buffer.concat(joinStreams(out.map(({ bytes }) => bytes))!))
  expect([...table.getChild('plan')!]).toEqual(expected)
})

test('forgotten terms make room for others, in the same texts and in new ones', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 5 })
  const columns = new RatedUsageColumns(10, 1e9)
  for (const plans of [['a', 'b'], ['b', 'c', 'a'], ['d']]) {
    columns.forgetTerms()
    const rows = plans.map(plan => ({ ...sample!, plan }))
    const out: LedgerOutput[] = []
    for (const rated of rows) columns.addScanned(scanned(columns, rated, undefined), at, out)
    columns.flush(out)
    const table = tableFromIPC(Buffer.concat(joinStreams(out.map(({ bytes }) => bytes))!))
    expect([...table.getChild('plan')!]).toEqual(plans)
  }
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
  // Two bytes per row, less the one text that the other dictionary lacks.
  expect(other!.bytes.length - same!.bytes.length).toBeGreaterThan(1_950)
})

test('chunks keep their bounds, hold every row once and in order, and serve one commit after the other', () => {
  const [sample] = fc.sample(row, { numRuns: 1, seed: 4 })
  const rows = Array.from({ length: 500 }, (_, i): RatedRow => {
    // One row is larger than a chunk may be, so it gets a chunk of its own.
    const id = i === 77 ? 'x'.repeat(50_000) : `id-${i}`
    return { ...sample!, event: { ...sample!.event, id } }
  })
  const columns = new RatedUsageColumns(100, 40_000)
  for (let commit = 0; commit < 2; commit += 1) {
    const out: LedgerOutput[] = []
    for (const rated of rows) columns.add(rated, at, out)
    columns.flush(out)
    const table = tableFromIPC(Buffer.concat(joinStreams(out.map(({ bytes }) => bytes))!))
    expect([...table.getChild('event_id')!]).toEqual(rows.map(rated => rated.event.id))
    for (const { bytes, rows: count } of out) {
      expect(count).toBeLessThanOrEqual(100)
      expect(bytes.length <= 40_000 || count === 1).toBe(true)
    }
    expect(out.reduce((sum, one) => sum + one.rows, 0)).toBe(500)
  }
})

/** The decimals as words, where that is possible. */
function amountsOf(rated: RatedRow) {
  const quantity = rated.eventCount < 0 ? -rated.reading.quantity : rated.reading.quantity
  const words = (value: bigint): Uint32Array =>
    Uint32Array.from([0n, 32n, 64n], shift => Number((value >> shift) & 0xffffffffn))
  const inWords = (value: bigint): boolean => value >= 0n && value < 1n << 96n
  return {
    quantity: inWords(quantity) ? undefined : quantity,
    quantityWords: words(quantity),
    amount: inWords(rated.amount) ? undefined : rated.amount,
    amountWords: words(rated.amount),
  }
}
