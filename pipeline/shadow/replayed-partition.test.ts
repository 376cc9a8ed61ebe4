// A partition that is rated again from its input comes to what the live one came to, also where amendments leave
// something to an event that comes later, because all changes are read before any usage.

import { expect, test } from 'vitest'
import { stringifyJson } from '../../schemas/json/json-text.js'
import { parseInstant } from '../../schemas/time.js'
import { PartitionState } from '../core/state/partition-state.js'
import { arrivalMs, created, TestBench, type TestEvent, testCatalog, usage } from '../testing/core-fixture.js'
import { ReplayedPartition } from './replayed-partition.js'

const amended = (id: string, minute: number, data: TestEvent): TestEvent => ({
  ...{ specversion: '1.0', id, source: 'desk', type: 'weir.usage.amended', subject: 'cus_1' },
  time: `2026-01-15T00:0${minute}:00Z`,
  data: { event_source: 'api', event_id: 'a', ...data },
})

test('an amendment in part, of an event that another one brought whole, is rated again as it was', () => {
  const changes = [
    created(),
    amended('whole', 1, { type: 'api.call', time: '2026-01-10T00:00:00Z', data: { tokens: 3 } }),
    amended('in part', 2, { data: { tokens: 8 } }),
  ]
  const sent = [
    usage('2026-01-12T00:00:00Z', '5', { id: 'other' }),
    usage('2026-01-11T00:00:00Z', '100', { id: 'a' }),
  ]
  const live = new TestBench()
  live.send(changes)
  for (const one of sent) live.send([one])
  live.answer()
  expect(live.sum()).toBe('6.5') // 5 and 8 tokens

  const restored = PartitionState.restore(live.config.limits.dedupeHorizonMs, live.core.snapshot(), [])
  const replayed = new ReplayedPartition(live.config, restored, {
    ...{ catalog: undefined, changes: 'read' },
    fromNs: parseInstant('2026-01-01T00:00:00Z')!,
    untilNs: parseInstant('2026-02-01T00:00:00Z')!,
  })
  const message = (events: readonly TestEvent[], seq: number) => [
    { seq, arrivedAtMs: arrivalMs, bytes: Buffer.from(stringifyJson(events)) },
  ]
  const catalog = {
    ...created(),
    type: 'weir.catalog.published',
    id: 'terms',
    data: { catalog: testCatalog },
  }
  replayed.applyChanges({ nowMs: arrivalMs, catalog: message([catalog], 1), lifecycle: [] })
  replayed.applyChanges({ nowMs: arrivalMs, catalog: [], lifecycle: message(changes, 1) })
  replayed.beginUsage()
  for (const [index, one] of sent.entries())
    replayed.feedUsage({ nowMs: arrivalMs, metering: message([one], index + 1) })
  const { lines, totals } = replayed.differences(100)
  expect(totals).toMatchObject({ events: { rated: 2, applied: 4 }, refused: {} }) // the catalog is applied, too
  const prices = Buffer.from(lines).toString().trimEnd().split('\n')
  expect(prices.map(line => JSON.parse(line))).toMatchObject([
    { price: 'base', charges: 1, changed: 0 },
    { price: 'tokens', charges: 1, changed: 0, amount_before: '6.5', amount_after: '6.5' },
  ])
})
