// `weir bench stage`: each stage alone on one core, nanoseconds per event. Every stage gets what the one before it made,
// in batches as large as a commit, on a state that has one subscription per customer and has seen all of the traffic
// once: the steady state, not the first event of a customer.
// The events of the whole core are then held against the independent sum.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PartitionCore } from '../../pipeline/partition/core.js'
import type { CoreInput } from '../../pipeline/partition/core-io.js'
import { defaultCoreLimits } from '../../pipeline/partition/core-limits.js'
import { LedgerWriter } from '../../pipeline/partition/ledger-writer.js'
import { RatedUsageColumns } from '../../pipeline/partition/rated-usage-columns.js'
import { DedupeTable } from '../../pipeline/partition/state/dedupe-table.js'
import { PartitionState } from '../../pipeline/partition/state/partition-state.js'
import { PriceBook } from '../../pipeline/partition/state/price-book.js'
import { type Attachment, attachEvent } from '../../pipeline/stages/attach.js'
import {
  type Decoded,
  decodeMessages,
  type InputMessage,
  type ReceivedEvent,
} from '../../pipeline/stages/decode.js'
import { dedupeEvents } from '../../pipeline/stages/dedupe.js'
import type { KeyedEvent } from '../../pipeline/stages/metered-event.js'
import { normalizeEvents } from '../../pipeline/stages/normalize.js'
import { basisOf, type RatedRow, rateEvent, sampleOf } from '../../pipeline/stages/rate.js'
import { addSample, newAccumulator } from '../../rating/accumulator.js'
import { chargeOf } from '../../rating/rate.js'
import { formatScaled, scaledOne } from '../../schemas/decimal.js'
import { type BenchOptions, trafficOf } from '../context.js'
import { UsageMeter } from '../process-usage.js'
import { type BenchReport, type Difference, difference, factsOf, median, reportOf } from '../report.js'
import { type Expectation, makeSubscriptions, makeTraffic, type TrafficMessage } from '../workload/traffic.js'
import { StageClock, type StageFigure } from './stage-clock.js'

/** The figures of contract section 8 are those of the whole core. */
export interface StageReport extends BenchReport {
  readonly stages: readonly StageFigure[]
  readonly rounds: number
}

/** 50,000 events: the largest commit as shipped. */
const messagesPerBatch = 50
const wholeCore = 'core, first sight of each customer included'
const ratings = 1_000_000
const warmUpRatings = 50_000
const config = {
  partition: 0,
  partitions: 1,
  // As the pipeline cuts its ledger messages for the embedded server.
  limits: { ...defaultCoreLimits, outputChunkBytes: 4 << 20, outputChunkRows: 65_536 },
}

export async function stage(options: BenchOptions, rounds: number): Promise<StageReport> {
  const facts = factsOf('stage', options.seed)
  const nowMs = Date.now()
  const traffic = { ...trafficOf(options, nowMs), partitions: 1 }
  const { messages, expected } = makeTraffic(traffic)
  const batches = batchesOf(messages, nowMs)
  const clock = new StageClock()
  const meter = new UsageMeter({ weir: process.pid })
  meter.begin()
  const differences: Difference[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const step = options.progress.step(`stages, round ${round} of ${rounds}`, 0)
    clock.beginRound()
    const { state, core } = subscribed(traffic)
    runWhole(core, batches, nowMs, clock)
    differences.push(...wrongs(core, state, expected, traffic.customers))
    runStages(state, batches, nowMs, clock)
    step.done()
  }
  const usage = meter.end()
  const seconds = median(clock.seconds(wholeCore))
  return {
    ...reportOf(facts, { events: expected.events, seconds, usage, differences }),
    stages: clock.figures(),
    rounds,
  }
}

interface Batch {
  readonly messages: readonly InputMessage[]
  readonly events: number
}

function batchesOf(messages: readonly TrafficMessage[], arrivedAtMs: number): Batch[] {
  const batches: Batch[] = []
  for (let start = 0; start < messages.length; start += messagesPerBatch) {
    const some = messages.slice(start, start + messagesPerBatch)
    batches.push({
      messages: some.map(({ bytes }, index) => ({
        seq: start + index + 1,
        arrivedAtMs,
        bytes,
        contentType: 'application/x-ndjson',
      })),
      events: some.reduce((sum, { events }) => sum + events, 0),
    })
  }
  return batches
}

function subscribed(traffic: Parameters<typeof makeSubscriptions>[0]): {
  readonly state: PartitionState
  readonly core: PartitionCore
} {
  const { catalog, messages } = makeSubscriptions(traffic)
  const state = new PartitionState(config.limits.dedupeHorizonMs)
  const core = new PartitionCore(config, undefined, state)
  const arrived = (bytes: Uint8Array, seq: number): InputMessage => ({
    seq,
    arrivedAtMs: traffic.nowMs,
    bytes,
  })
  const published = { ...inputOf([], traffic.nowMs, 1), catalog: [arrived(catalog, 1)] }
  core.process({ ...published, lifecycle: messages.map(({ bytes }, index) => arrived(bytes, index + 1)) })
  return { state, core }
}

function inputOf(metering: readonly InputMessage[], nowMs: number, commit: number): CoreInput {
  return { nowMs, commit, catalog: [], lifecycle: [], metering, orders: [], history: [] }
}

/** The core as a worker runs it, from message bytes to ledger bytes. */
function runWhole(core: PartitionCore, batches: readonly Batch[], nowMs: number, clock: StageClock): void {
  batches.forEach(({ events, messages }, index) => {
    clock.time(wholeCore, events, () => core.process(inputOf(messages, nowMs, index + 2)))
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
  for (const charge of state.maps.charges.values()) amount += charge.emitted
  return [
    ...difference('rated', expected.unique, rated),
    ...difference('duplicate', expected.duplicates, duplicate),
    ...difference('received', expected.events + customers + 1, received),
    ...difference('sum(amount) of usage charges', expected.amount, formatScaled(amount)),
  ]
}

/** The same traffic once more, stage by stage, on the state that the whole run left. */
function runStages(state: PartitionState, batches: readonly Batch[], nowMs: number, clock: StageClock): void {
  const book = new PriceBook(state)
  const dedupe = new DedupeTable(36)
  const { outputChunkRows, outputChunkBytes } = config.limits
  const columns = new RatedUsageColumns(outputChunkRows, outputChunkBytes)
  let lastRated: Rated = { events: [], attached: [] }
  batches.forEach(({ messages, events: count }, index) => {
    const decoded = clock.time('decode', count, () => decodeMessages(messages))
    const received = decoded.filter(isEvent)
    clock.time('dedupe', count, () => dedupeEvents(received, dedupe))
    const normalized = clock.time('normalize', count, () => normalizeEvents(received, book.catalog))
    const events = normalized.flatMap(one => (one.kind === 'metered' ? [one.event] : []))
    for (const event of events) book.ofCustomer(event.customerId) // resolved once, not per event
    const attached = clock.time('attach', count, () => attachAll(events, book))
    const rows: RatedRow[] = []
    clock.time('rate', count, () => rateAll(events, attached, state, book, rows))
    const writer = new LedgerWriter(config, { nowMs, commit: index + 2 }, undefined, columns)
    clock.time('rows', count, () => {
      for (const row of rows) writer.rated(row)
    })
    clock.time('encode Arrow', count, () => writer.take())
    clock.time('state delta', count, () => state.takeDelta())
    if (index === batches.length - 1) lastRated = { events, attached }
  })
  collectGarbage() // of the batches: it is not the ratings'
  for (const plan of ['payg', 'growth'] as const) ratePlan(plan, lastRated, book, clock)
}

interface Rated {
  readonly events: readonly KeyedEvent[]
  readonly attached: readonly Attachment[]
}

function isEvent(decoded: Decoded): decoded is ReceivedEvent {
  return decoded.kind === 'event'
}

function attachAll(events: readonly KeyedEvent[], book: PriceBook): Attachment[] {
  return events.map(event => attachEvent(event, book.ofCustomer(event.customerId)))
}

function rateAll(
  events: readonly KeyedEvent[],
  attached: readonly Attachment[],
  state: PartitionState,
  book: PriceBook,
  rows: RatedRow[],
): void {
  const write = (row: RatedRow): unknown => rows.push(row)
  for (let i = 0; i < events.length; i += 1) {
    const attachment = attached[i]!
    if (attachment.kind !== 'attached') throw new Error('every event of the benchmark has a subscription')
    rateEvent(events[i]!, attachment.assignments, attachment.unwanted, state, book.catalog, write)
  }
}

/** One rating is `addSample` and `chargeOf`: what an event costs in steady state, on one meter. */
function ratePlan(
  plan: 'payg' | 'growth',
  { events, attached }: Rated,
  book: PriceBook,
  clock: StageClock,
): void {
  const attachment = attached.find(
    one => one.kind === 'attached' && one.assignments[0]?.version.terms.plan === plan,
  )
  const assignment = attachment?.kind === 'attached' ? attachment.assignments[0] : undefined
  const event = events[0]
  if (assignment === undefined || event === undefined) return
  const basis = basisOf(assignment.segment, book.catalog)
  const accumulator = newAccumulator(basis)
  const samples = Array.from({ length: 1_000 }, (_, index) => ({
    ...sampleOf(event, assignment.reading, 0, false),
    quantity: BigInt(1 + (index % 400)) * scaledOne,
  }))
  const rateSome = (count: number): bigint => {
    let owed = 0n
    for (let i = 0; i < count; i += 1) {
      addSample(basis, accumulator, samples[i % samples.length]!)
      owed = chargeOf(basis, accumulator).amount
    }
    return owed
  }
  rateSome(warmUpRatings)
  const model = plan === 'payg' ? 'per_unit' : 'graduated'
  clock.time(`rating alone, ${model}`, ratings, () => rateSome(ratings))
}

/** Node has no call for it without a flag; V8 lets one be set while it runs. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
