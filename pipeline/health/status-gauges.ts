// How partitions, feeds and connections stand, as gauges that are read when somebody asks for the metrics.
//
// Invariant: what is not known here has no series: a feed that another process delivers, the age of what was not read yet.
// A zero is said only where it was seen.

import { Gauge, type Registry } from 'prom-client'
import { type DispositionCounts, dispositions } from '../../schemas/event/dispositions.js'
import type { DeliveryState, DeliveryStatus } from '../deliver/delivery-status.js'
import { type FlowSummary, holdCodes, weirModes } from '../deliver/flow-gate.js'
import type { EngineStatus } from '../engine/engine.js'
import type { Readiness } from '../gateway/health.js'

export interface PipelineStatus {
  readonly partitions: readonly EngineStatus[]
  readonly feeds: readonly DeliveryStatus[]
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  /** Undefined: not known. */
  readonly value: number | undefined
}

interface GaugeOf<Labels extends string> {
  readonly name: string
  readonly help: string
  readonly labels: readonly Labels[]
  readonly read: () => readonly Sample[]
}

const feedStates: readonly DeliveryState[] = [
  'starting',
  'running',
  'retrying',
  'blocked',
  'paused',
  'standby',
  'failed',
  'stopped',
]

export function registerStatusGauges(registry: Registry, status: () => PipelineStatus): void {
  for (const gauge of [
    ...partitionGauges(() => status().partitions),
    ...feedGauges(() => status().feeds),
    ...connectionGauges(() => status().feeds),
  ])
    register(registry, gauge)
}

/** The mode of Weir, and what else holds it as a whole. */
export function registerFlow(registry: Registry, summary: () => FlowSummary): void {
  register(registry, {
    name: 'weir_mode',
    help: '1 for the mode of Weir, 0 for the others',
    labels: ['mode'],
    read: () => {
      const now = summary().mode
      return weirModes.map(mode => ({ labels: { mode }, value: mode === now ? 1 : 0 }))
    },
  })
  register(registry, {
    name: 'weir_freeze_windows_open',
    help: 'Freeze windows that are open now',
    labels: [],
    read: () => [{ labels: {}, value: summary().openWindows.length }],
  })
  register(registry, {
    name: 'weir_incident_open',
    help: '1 while an incident is open',
    labels: [],
    read: () => [{ labels: {}, value: summary().isIncidentOpen ? 1 : 0 }],
  })
}

/** Whether the process is ready, and each check that this rests on. */
export function registerReadiness(registry: Registry, readiness: () => Readiness): void {
  register(registry, {
    name: 'weir_ready',
    help: '1 while /readyz says that events are taken',
    labels: [],
    read: () => [{ labels: {}, value: readiness().ready ? 1 : 0 }],
  })
  register(registry, {
    name: 'weir_check_ok',
    help: '1 while the check of /readyz holds; the detail is shown by /readyz?verbose',
    labels: ['check'],
    read: () => readiness().checks.map(({ name, ok }) => ({ labels: { check: name }, value: ok ? 1 : 0 })),
  })
}

/** Makes a gauge whose samples are those of `read`, and no older ones. */
export function register(registry: Registry, { name, help, labels, read }: GaugeOf<string>): void {
  new Gauge({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset()
      if (labels.length === 0) this.remove()
      for (const { labels: of, value } of read()) if (value !== undefined) this.set(of, value)
    },
  })
}

function partitionGauges(partitions: () => readonly EngineStatus[]): readonly GaugeOf<string>[] {
  const gauge = (name: string, help: string, value: (engine: EngineStatus) => number | undefined) => ({
    name: `weir_${name}`,
    help,
    labels: ['partition'],
    read: () =>
      partitions().map(engine => ({ labels: { partition: engine.partition }, value: value(engine) })),
  })
  return [
    gauge(
      'partition_lag_messages',
      'Input messages that wait to be processed',
      ({ lag }) => lag.metering + lag.lifecycle,
    ),
    gauge(
      'partition_lag_seconds',
      'Age of the oldest input message that is not committed',
      ({ lag, oldestWaitingAtMs }) => lagSeconds(lag.metering + lag.lifecycle, oldestWaitingAtMs),
    ),
    gauge('partition_held_bytes', 'Events that are parked or held', ({ heldBytes }) => heldBytes),
    gauge('partition_running', '1 when the partition is worked on here', ({ state }) =>
      state === 'running' ? 1 : 0,
    ),
    gauge('partition_stopped', '1 when the partition has stopped for good', ({ state }) =>
      state === 'failed' ? 1 : 0,
    ),
    gauge(
      'conservation_difference_events',
      'Events received less the sum of all dispositions, by the newest commit; anything but 0 is a fault',
      ({ counters }) => (counters === undefined ? undefined : conservationDifference(counters)),
    ),
  ]
}

/** Events that were received and have no disposition; negative: that have several. */
export function conservationDifference(counters: DispositionCounts): number {
  return counters.received - dispositions.reduce((sum, name) => sum + counters[name], 0)
}

function feedGauges(feeds: () => readonly DeliveryStatus[]): readonly GaugeOf<string>[] {
  const gauge = (name: string, help: string, value: (feed: DeliveryStatus) => number | undefined) => ({
    name: `weir_sink_${name}`,
    help,
    labels: ['feed'],
    read: () => feeds().map(feed => ({ labels: { feed: feed.key }, value: value(feed) })),
  })
  return [
    gauge(
      'behind_messages',
      'Messages that a sink has not taken in hand; none while another process delivers',
      ({ behind }) => behind ?? undefined,
    ),
    gauge(
      'lag_seconds',
      'Age of the oldest message that a sink has not got',
      ({ behind, oldestWaitingAtMs }) =>
        behind === null && oldestWaitingAtMs === undefined
          ? undefined
          : lagSeconds(behind ?? 0, oldestWaitingAtMs),
    ),
    gauge('refused', 'Records that a sink refused for what they hold, set aside', ({ refused }) => refused),
    {
      name: 'weir_feed_paused',
      help: '1 while somebody has paused the feed or connection',
      labels: ['feed'],
      read: () =>
        feeds().map(({ key, hold }) => ({ labels: { feed: key }, value: hold?.code === 'paused' ? 1 : 0 })),
    },
    gauge('position', 'Stream sequence that a sink has delivered', ({ position }) => position),
    {
      name: 'weir_sink_state',
      help: '1 for the state in which the feed is, 0 for the others',
      labels: ['feed', 'state'],
      read: () =>
        feeds().flatMap(({ key, state: now }) =>
          feedStates.map(state => ({ labels: { feed: key, state }, value: state === now ? 1 : 0 })),
        ),
    },
  ]
}

/** States of a delivery that is not settled. */
const openStates = ['waiting', 'sending', 'unclear', 'written', 'held']

function connectionGauges(feeds: () => readonly DeliveryStatus[]): readonly GaugeOf<string>[] {
  const connections = () =>
    feeds().flatMap(({ sink, open }) => (open === undefined ? [] : [{ connection: sink, open }]))
  return [
    {
      name: 'weir_connection_open_records',
      help: 'Records that a connection has taken in and that are not settled, by state',
      labels: ['connection', 'state'],
      read: () =>
        connections().flatMap(({ connection, open }) =>
          openStates.map(state => ({ labels: { connection, state }, value: open.byState[state] ?? 0 })),
        ),
    },
    {
      name: 'weir_connection_held_records',
      help: 'Records of a connection that the flow control holds, by the reason',
      labels: ['connection', 'code'],
      read: () =>
        connections().flatMap(({ connection, open }) =>
          holdCodes.map(code => ({ labels: { connection, code }, value: open.heldBy[code] ?? 0 })),
        ),
    },
    {
      name: 'weir_connection_oldest_seconds',
      help: 'Age of the oldest record that a connection has taken in and that is neither settled nor held',
      labels: ['connection'],
      read: () =>
        connections().map(({ connection, open }) => ({
          labels: { connection },
          value: open.oldestAtMs === undefined ? 0 : ageSeconds(open.oldestAtMs),
        })),
    },
  ]
}

/** 0 when nothing waits; undefined when something does and nobody has read it yet. */
function lagSeconds(waiting: number, oldestAtMs: number | undefined): number | undefined {
  if (oldestAtMs !== undefined) return ageSeconds(oldestAtMs)
  return waiting === 0 ? 0 : undefined
}

function ageSeconds(sinceMs: number): number {
  return Math.max(0, Date.now() - sinceMs) / 1_000
}
