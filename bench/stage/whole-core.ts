// The core as a worker runs it, from message bytes to ledger bytes: twice on the same events. The first time every
// customer, every charge and every route is new. Then a core that was restored from the first one's state, and has met
// every customer once, but has seen none of these events, rates them all again: the steady state.

import { PartitionCore } from '../../pipeline/core/core.js'
import type { InputMessage } from '../../pipeline/core/decode/decode.js'
import type { CoreInput } from '../../pipeline/core/ports/core-io.js'
import { defaultCoreLimits } from '../../pipeline/core/ports/core-limits.js'
import { DedupeTable } from '../../pipeline/core/state/dedupe-table.js'
import { daysKept, PartitionState } from '../../pipeline/core/state/partition-state.js'
import { ndjsonType } from '../../schemas/event/media-types.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { type Usage, UsageMeter } from '../measure/process-usage.js'
import { type Difference, difference } from '../measure/report.js'
import { customerIdOf } from '../workload/price-list.js'
import { type Expectation, makeSubscriptions, type TrafficMessage } from '../workload/traffic.js'
import type { StageClock } from './stage-clock.js'

export const firstSight = 'core, first sight of each customer included'
export const steadyState = 'core, steady state'

/** 50,000 events: the largest commit as shipped. */
const messagesPerBatch = 50

export const coreConfig = {
  partition: 0,
  partitions: 1,
  // As the pipeline cuts its ledger messages for the embedded server.
  limits: { ...defaultCoreLimits, outputChunkBytes: 4 << 20, outputChunkRows: 65_536 },
}

export interface Batch {
  readonly messages: readonly InputMessage[]
  readonly events: number
}

export function batchesOf(messages: readonly TrafficMessage[], arrivedAtMs: number): Batch[] {
  const batches: Batch[] = []
  for (let start = 0; start < messages.length; start += messagesPerBatch) {
    const some = messages.slice(start, start + messagesPerBatch)
    batches.push({
      messages: some.map(({ bytes }, index) => ({
        seq: start + index + 1,
        arrivedAtMs,
        bytes,
        contentType: ndjsonType,
      })),
      events: some.reduce((sum, { events }) => sum + events, 0),
    })
  }
  return batches
}

export interface CoreRun {
  readonly state: PartitionState
  /** Of the first run; its memory holds the events too. */
  readonly usage: Usage
  readonly differences: readonly Difference[]
}

/** Times both runs, and returns the state that has one subscription per customer and all of their charges. */
export function runWholeCore(
  traffic: Parameters<typeof makeSubscriptions>[0],
  batches: readonly Batch[],
  expected: Expectation,
  clock: StageClock,
): CoreRun {
  const { nowMs, customers } = traffic
  const first = subscribed(traffic)
  const meter = new UsageMeter({ weir: process.pid })
  meter.begin()
  run(firstSight, first.core, batches, nowMs, clock)
  const usage = meter.end()
  const differences = wrongs(first.core, first.state, expected, customers)
  const snapshot = Buffer.concat(first.core.takeSnapshot().state)
  const state = PartitionState.restore(coreConfig.limits.dedupeHorizonMs, snapshot, [], emptyTable())
  const core = new PartitionCore(coreConfig, undefined, state)
  core.process(inputOf(onceEach(customers, nowMs), nowMs, 1))
  run(steadyState, core, batches, nowMs, clock)
  const rated = 2 * expected.unique + customers
  differences.push(...difference('rated in steady state', rated, core.counters().rated))
  return { state, usage, differences }
}

function subscribed(traffic: Parameters<typeof makeSubscriptions>[0]): {
  readonly state: PartitionState
  readonly core: PartitionCore
} {
  const { catalog, messages } = makeSubscriptions(traffic)
  const state = new PartitionState(coreConfig.limits.dedupeHorizonMs, emptyTable())
  const core = new PartitionCore(coreConfig, undefined, state)
  const arrived = (bytes: Uint8Array, seq: number): InputMessage => ({
    seq,
    arrivedAtMs: traffic.nowMs,
    bytes,
  })
  const published = { ...inputOf([], traffic.nowMs, 1), catalog: [arrived(catalog, 1)] }
  core.process({ ...published, lifecycle: messages.map(({ bytes }, index) => arrived(bytes, index + 1)) })
  return { state, core }
}

/** An event of every customer, so that what is looked up once for a customer is looked up. */
function onceEach(customers: number, nowMs: number): InputMessage[] {
  const time = new Date(nowMs).toISOString()
  const lines = Array.from({ length: customers }, (_, customer) =>
    JSON.stringify({
      specversion: '1.0',
      id: `once-${customer}`,
      source: '/bench/once',
      type: 'llm.request',
      subject: customerIdOf(customer),
      time,
      data: { input_tokens: 0, output_tokens: 0 },
    }),
  )
  return [{ seq: 1, arrivedAtMs: nowMs, bytes: Buffer.from(lines.join('\n')) }]
}

/** As a worker has one. */
function emptyTable(): DedupeTable {
  return new DedupeTable(daysKept(coreConfig.limits.dedupeHorizonMs), { segments: true })
}

function inputOf(metering: readonly InputMessage[], nowMs: number, commit: number): CoreInput {
  return { nowMs, commit, catalog: [], lifecycle: [], metering, orders: [], history: [] }
}

function run(
  stage: string,
  core: PartitionCore,
  batches: readonly Batch[],
  nowMs: number,
  clock: StageClock,
): void {
  batches.forEach(({ events, messages }, index) => {
    clock.time(stage, events, () => core.process(inputOf(messages, nowMs, index + 2)))
  })
}

function wrongs(
  core: PartitionCore,
  state: PartitionState,
  expected: Expectation,
  customers: number,
): Difference[] {
  const { received, rated, duplicate } = core.counters()
  let amount = 0n
  for (const charge of state.maps.charges.stopAllRunning()) amount += charge.emitted
  return [
    ...difference('rated', expected.unique, rated),
    ...difference('duplicate', expected.duplicates, duplicate),
    ...difference('received', expected.events + customers + 1, received),
    ...difference('sum(amount) of usage charges', expected.amount, formatScaled(amount)),
  ]
}
