// The metrics of the way from arrival to queryable.

import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { zeroDispositions } from '../../schemas/event/dispositions.js'
import type { DeliveryStatus } from '../deliver/delivery-status.js'
import type { EngineStatus } from '../engine/engine.js'
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

const idle = { metering: 0, lifecycle: 0, catalog: 0 }
const feed = (change: Partial<DeliveryStatus>) =>
  ({ key: 'a', sink: 'a', state: 'running', behind: 0, refused: 0, position: 9, ...change }) as DeliveryStatus
const partition = (change: Partial<EngineStatus>) =>
  ({ partition: 0, state: 'running', lag: idle, heldBytes: 0, ...change }) as EngineStatus

async function metricsOf(one: Partial<EngineStatus>, other: Partial<DeliveryStatus>): Promise<string> {
  const registry = new Registry()
  pipelineTelemetry(registry).observe(() => ({ partitions: [partition(one)], feeds: [feed(other)] }))
  return registry.metrics()
}

test('lag in seconds is the age of the oldest that waits, 0 when nothing does, and untold when it is not known', async () => {
  const none = await metricsOf({}, {})
  expect(none).toContain('weir_partition_lag_seconds{partition="0"} 0\n')
  expect(none).toContain('weir_sink_lag_seconds{feed="a"} 0\n')
  const oldestWaitingAtMs = Date.now() - 60_000
  const old = await metricsOf({ oldestWaitingAtMs }, { oldestWaitingAtMs })
  expect(old).toMatch(/weir_partition_lag_seconds\{partition="0"\} [6-9]\d/)
  expect(old).toMatch(/weir_sink_lag_seconds\{feed="a"\} [6-9]\d/)
  const unread = await metricsOf({ lag: { ...idle, metering: 4 } }, { behind: null, state: 'standby' })
  expect(unread).not.toMatch(/^weir_(partition|sink)_lag_seconds\{/m)
  expect(unread).not.toMatch(/^weir_sink_behind_messages\{/m)
})

test('the state of a feed, and the records that a connection has on their way', async () => {
  const open = {
    byState: { waiting: 3, unclear: 1, held: 2 },
    heldBy: { frozen: 2 },
    oldestAtMs: Date.now() - 60_000,
  }
  const text = await metricsOf({}, { key: 'connection.sap', sink: 'sap', state: 'blocked', open })
  expect(text).toContain('weir_sink_state{feed="connection.sap",state="blocked"} 1')
  expect(text).toContain('weir_sink_state{feed="connection.sap",state="running"} 0')
  expect(text).toContain('weir_connection_open_records{connection="sap",state="waiting"} 3')
  expect(text).toContain('weir_connection_open_records{connection="sap",state="held"} 2')
  expect(text).toContain('weir_connection_held_records{connection="sap",code="frozen"} 2')
  expect(text).toContain('weir_feed_paused{feed="connection.sap"} 0')
  expect(text).toMatch(/weir_connection_oldest_seconds\{connection="sap"\} [6-9]\d/)
})

test('an event without a disposition, or with two, shows as a difference of its partition', async () => {
  const counters = { ...zeroDispositions(), received: 5, rated: 3, parked: 1 }
  expect(await metricsOf({ counters }, {})).toContain('weir_conservation_difference_events{partition="0"} 1')
  const twice = { ...counters, duplicate: 2 }
  expect(await metricsOf({ counters: twice }, {})).toContain(
    'weir_conservation_difference_events{partition="0"} -1',
  )
})
