// Compares rows of `event_outcomes` written as columns with the same rows written as objects.

import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeRows } from '../../../schemas/arrow/arrow-rows.js'
import { eventOutcomesTable } from '../../../schemas/tables.js'
import { arrivalMs, created, TestBench, usage } from '../../testing/core-fixture.js'
import type { LedgerOutput } from '../ports/core-io.js'
import type { Attributes } from '../state/records.js'
import { EventOutcomeColumns, outcomeRow } from './event-outcome-columns.js'
import type { Outcome } from './outcome.js'

const at = { ratedAtMs: Date.UTC(2026, 0, 20), partition: 3, ledgerSequence: 17 }
const text = fc.constantFrom('', 'a', 'Zürich', '😀', '\ud800', 'x'.repeat(300))
const event: fc.Arbitrary<Attributes> = fc.record({
  source: text,
  id: text,
  type: text,
  customerId: text,
  timeNs: fc.constantFrom(0n, 1n, 2n ** 60n),
  arrivedAtMs: fc.constantFrom(0, 2 ** 33),
  correlationId: text,
  traceparent: text,
  input: fc.record({
    stream: fc.constantFrom('METERING' as const, 'CATALOG' as const, '' as const),
    sequence: fc.constantFrom(0, 1, 2 ** 40),
  }),
})
const outcome = fc.record(
  {
    disposition: fc.constantFrom('duplicate', 'parked', 'applied'),
    code: text,
    detail: text,
    change: fc.constantFrom(1, -1),
    payload: text,
    target: fc.record({ source: text, id: text }),
  },
  { requiredKeys: ['disposition', 'code', 'detail', 'change'] },
) as fc.Arbitrary<Outcome>

const decoded = (bytes: Uint8Array) =>
  tableFromIPC(bytes)
    .toArray()
    .map(row => row.toString())

test('columns written value by value are the columns of the rows, in chunks within the bounds', () => {
  const rows = fc.array(fc.tuple(event, outcome), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(rows, fc.constantFrom(7, 1_000), fc.constantFrom(9_000, 1e9), (given, maxRows, maxBytes) => {
      const columns = new EventOutcomeColumns(maxRows, maxBytes)
      columns.begin(at)
      const out: LedgerOutput[] = []
      for (const [one, what] of given) columns.add(one, what, out)
      columns.flush(out)
      const expected = encodeRows(
        eventOutcomesTable,
        given.map(([one, what]) => outcomeRow(one, what, at)),
      )
      expect(out.flatMap(({ bytes }) => decoded(bytes))).toEqual(decoded(expected))
      for (const chunk of out) {
        expect(chunk.rows).toBeLessThanOrEqual(maxRows)
        if (chunk.rows > 1) expect(chunk.bytes.length).toBeLessThan(maxBytes + 4_000)
      }
    }),
    { numRuns: 60 },
  )
})

test('each way out of the pipeline without a rated row or a dead letter has a row that names its message', () => {
  const bench = new TestBench()
  const early = usage('2026-01-05T00:00:00Z', 1, { id: 'early' })
  const retraction = (id: string, of: string) => ({
    specversion: '1.0',
    id,
    source: 'crm',
    type: 'weir.usage.retracted',
    subject: 'cus_1',
    data: { event_source: 'api', event_id: of },
  })
  bench.send([early])
  bench.send([early, usage('2026-01-05T00:00:00Z', 1, { id: 'other', type: 'nobody.wants' })])
  bench.send([created()])
  bench.send([retraction('r1', 'late')])
  bench.send([usage('2026-01-06T00:00:00Z', 1, { id: 'late' })])
  bench.answer(arrivalMs)
  const told = bench.outcomes.map(row => [
    row.eventId,
    `${row.disposition} ${row.eventCount}`,
    row.code,
    `${row.inputStream} ${row.inputSequence}`,
    row.targetId,
    row.payload === '' ? 'no payload' : JSON.parse(row.payload).id,
  ])
  expect(told).toEqual([
    ['early', 'parked 1', 'awaiting_subscription', 'METERING 1', '', 'early'],
    ['early', 'duplicate 1', '', 'METERING 2', '', 'no payload'],
    ['other', 'unmetered 1', 'no_meter', 'METERING 2', '', 'no payload'],
    [expect.any(String), 'applied 1', '', 'METERING 3', '', 'no payload'],
    ['early', 'parked -1', 'awaiting_subscription', 'METERING 1', '', 'no payload'],
    ['r1', 'parked 1', 'awaiting_event', 'METERING 4', 'late', 'r1'],
    ['late', 'rated 1', 'retracted', 'METERING 5', '', 'no payload'],
    ['r1', 'parked -1', 'awaiting_event', 'METERING 4', 'late', 'no payload'],
    ['r1', 'applied 1', '', 'METERING 4', 'late', 'no payload'],
  ])
  expect(bench.rated.map(row => [row.eventId, row.inputStream, row.inputSequence])).toEqual([
    ['early', 'METERING', 1],
    ['early', 'METERING', 1],
  ])
})
