// `weir bench stage`: what each part of a partition's work costs on one core, nanoseconds per event, in batches as large
// as a commit. The whole core, the parts of its way for plain usage, the general way verb by verb, one rating alone, and
// what one more event costs each aggregation.
// The events of the whole core are held against the independent sum.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { PriceBook } from '../../pipeline/core/state/price-book.js'
import { type BenchOptions, trafficOf } from '../measure/context.js'
import type { Usage } from '../measure/process-usage.js'
import { type BenchReport, type Difference, factsOf, median, reportOf } from '../measure/report.js'
import { makeTraffic } from '../workload/traffic.js'
import {
  type AggregationFigure,
  type AggregationSizes,
  aggregationFigures,
  shippedSizes,
} from './aggregations.js'
import { runGeneralWay } from './general-way.js'
import { runPlainWay } from './plain-way.js'
import { runRatings } from './ratings.js'
import { StageClock, type StageFigure } from './stage-clock.js'
import { batchesOf, firstSight, runWholeCore } from './whole-core.js'

/** The figures of contract section 8 are those of the whole core, first sight included. */
export interface StageReport extends BenchReport {
  readonly stages: readonly StageFigure[]
  readonly rounds: number
  readonly aggregations: readonly AggregationFigure[]
}

export async function stage(
  options: BenchOptions,
  rounds: number,
  sizes: AggregationSizes = shippedSizes,
): Promise<StageReport> {
  const facts = factsOf('stage', options.seed)
  const nowMs = Date.now()
  const traffic = { ...trafficOf(options, nowMs), partitions: 1 }
  const { messages, expected } = makeTraffic(traffic)
  const batches = batchesOf(messages, nowMs)
  const clock = new StageClock()
  const usages: Usage[] = []
  const differences: Difference[] = []
  for (let round = 1; round <= rounds; round += 1) {
    const step = options.progress.step(`stages, round ${round} of ${rounds}`, 0)
    clock.beginRound()
    const core = runWholeCore(traffic, batches, expected, clock)
    const book = new PriceBook(core.state)
    const plain = runPlainWay(book.catalog, batches, expected.events, expected.duplicates, clock)
    usages.push(core.usage)
    differences.push(...core.differences, ...plain)
    const last = runGeneralWay(core.state, book, batches, nowMs, clock)
    collectGarbage() // the ratings must not pay for garbage of the stages before
    runRatings(last, book, clock)
    step.done()
  }
  collectGarbage()
  const step = options.progress.step('aggregations', 0)
  const aggregations = aggregationFigures(options.seed, sizes)
  step.done()
  const usage = {
    cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakRssBytes: Math.max(...usages.map(({ peakRssBytes }) => peakRssBytes)),
    processes: {},
  }
  const seconds = median(clock.seconds(firstSight))
  return {
    ...reportOf(facts, { events: expected.events, seconds, usage, differences }),
    stages: clock.figures(),
    rounds,
    aggregations,
  }
}

/** Node needs a flag for this call; V8 lets it be set at run time. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
}
