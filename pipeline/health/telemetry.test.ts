// The metrics of the way from arrival to queryable.

import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import { pipelineTelemetry } from './telemetry.js'

test('the legs from arrival to queryable are told by partition and by feed', async () => {
  const registry = new Registry()
  const telemetry = pipelineTelemetry(registry)
  const commit = {
    partition: 3,
    commit: 7,
    counters: zeroDispositions(),
    events: 0,
    lastSeq: 9,
    seconds: 0.02,
    sealedRuns: [],
  }
  telemetry.committed!({ ...commit, arrivedAtMs: Date.now() - 60_000 })
  telemetry.committed!({ ...commit, arrivedAtMs: undefined }) // no usage in it
  telemetry.applied({ key: 'clickhouse', ageSeconds: 0.3, applySeconds: 0.04 })
  const text = await registry.metrics()
  expect(text).toContain('weir_arrival_to_commit_seconds_count{partition="3"} 1')
  expect(text).toContain('weir_arrival_to_commit_seconds_bucket{le="10",partition="3"} 0')
  expect(text).toContain('weir_commit_to_sink_seconds_sum{feed="clickhouse"} 0.3')
  expect(text).toContain('weir_sink_apply_seconds_sum{feed="clickhouse"} 0.04')
})
