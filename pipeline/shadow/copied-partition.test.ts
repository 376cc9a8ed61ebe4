// A copy of a state takes messages and tells what becomes of them: held against the state itself, which gets them later.

import { expect, test } from 'vitest'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { formatScaled, type Scaled } from '../../schemas/money/decimal.js'
import type { HistoryRequest } from '../core/core.js'
import { PartitionState } from '../core/state/partition-state.js'
import { arrivalMs, created, TestBench, type TestEvent, usage } from '../testing/core-fixture.js'
import { CopiedPartition } from './copied-partition.js'
import type { EventIdentity, Outcome, StoredAnswer } from './protocol.js'

/** The copy of what a bench holds, with the bench's rows as what the database has. */
function copyOf(
  bench: TestBench,
): (events: readonly TestEvent[], asked?: readonly EventIdentity[]) => Outcome {
  const state = PartitionState.restore(bench.config.limits.dedupeHorizonMs, bench.core.snapshot(), [])
  const copy = new CopiedPartition(bench.config, state, bench.commit)
  const stored = (request: HistoryRequest): StoredAnswer => ({
    request,
    rows: bench.memory.answer(request).rows.map(row => ({ ...row, count: 1 })),
  })
  return (events, asked = []) => {
    const bytes = Buffer.from(stringifyJson(events))
    const input = {
      nowMs: arrivalMs,
      catalog: [],
      lifecycle: [],
      metering: [{ seq: 1, arrivedAtMs: arrivalMs, bytes }],
    }
    let requests = copy.feed(input, [])
    while (requests.length > 0) requests = copy.feed({ ...input, metering: [] }, requests.map(stored))
    return copy.take(asked)
  }
}

const retracted = (id: string): TestEvent => ({
  specversion: '1.0',
  id: `take back ${id}`,
  source: 'desk',
  type: 'weir.usage.retracted',
  subject: 'cus_1',
  data: { event_source: 'api', event_id: id },
})

const amounts = ({ charges }: Outcome) =>
  charges.map(({ price, before, after }) => [price, formatScaled(before), formatScaled(after)])

function ratedBench(): TestBench {
  const bench = new TestBench()
  bench.send([created()])
  bench.send([
    usage('2026-01-10T00:00:00Z', '10', { id: 'a' }),
    usage('2026-01-11T00:00:00Z', '4', { id: 'b' }),
  ])
  return bench
}

test('a copy tells what a retraction would do, and the state itself then does just that', () => {
  const bench = ratedBench()
  const tell = copyOf(bench)
  const outcome = tell([retracted('a')], [{ source: 'api', id: 'a' }])
  expect(amounts(outcome)).toEqual([['tokens', '7', '2']])
  expect(outcome.fates).toEqual([
    { source: 'api', id: 'a', kind: 'taken_back', amount: (-5n * 10n ** 12n) as Scaled },
  ])
  expect(outcome.counts).toMatchObject({ received: 1, applied: 1 })
  expect(bench.sum()).toBe('7') // the state was left as it was
  bench.send([retracted('a')])
  bench.answer()
  expect(bench.sum()).toBe('2')
})

test('what the copy wrote itself is history for what it is fed next', () => {
  const tell = copyOf(ratedBench())
  expect(amounts(tell([usage('2026-01-12T00:00:00Z', '6', { id: 'c' })]))).toEqual([['tokens', '7', '10']])
  expect(amounts(tell([retracted('c')]))).toEqual([['tokens', '10', '7']])
  expect(amounts(tell([retracted('a'), retracted('b')]))).toEqual([['tokens', '7', '0']])
})

test('each event that is asked about has its fate', () => {
  const tell = copyOf(ratedBench())
  const events = [
    usage('2026-01-12T00:00:00Z', '6', { id: 'good' }),
    usage('2026-01-12T00:00:00Z', 'six', { id: 'bad' }),
    usage('2026-01-12T00:00:00Z', '1', { id: 'early', subject: 'cus_9' }),
    usage('2026-01-10T00:00:00Z', '10', { id: 'a' }),
  ]
  const asked = ['good', 'bad', 'early', 'a'].map(id => ({ source: 'api', id }))
  const { fates, counts } = tell(events, asked)
  expect(fates.map(({ id, kind }) => [id, kind])).toEqual([
    ['good', 'rated'],
    ['bad', 'dead_lettered'],
    ['early', 'waiting'],
    ['a', 'no_rows'],
  ])
  expect(fates[1]).toMatchObject({ code: 'invalid_value' })
  expect(counts).toMatchObject({ received: 4, rated: 1, dead_lettered: 1, parked: 1, duplicate: 1 })
})
