// `weir bench growth`: the cost of keeping more and more identities, and of a restart with them. `--events`
// is their number: 100,000,000 fill 3.6 GB. The restart is measured with at most 10,000,000 identities and
// `--customers`.

import type { BenchOptions } from '../measure/context.js'
import { type BenchReport, factsOf, reportOf } from '../measure/report.js'
import { measureRestart, type RestartFigures } from './restart.js'
import { fillTables, type GrowthStep } from './table.js'

export interface GrowthReport extends BenchReport {
  readonly steps: readonly GrowthStep[]
  readonly restart: readonly RestartFigures[]
}

const restartIds = 10_000_000

/** `seconds` and `cpu_seconds` are those of filling the tables: the dedupe stage alone. */
export async function growth(options: BenchOptions): Promise<GrowthReport> {
  const facts = factsOf('growth', options.seed)
  const restarting = options.progress.step('restart', 0)
  const restart = await measureRestart(Math.min(options.events, restartIds), options)
  restarting.done()
  const filling = options.progress.step('filling the dedupe tables', options.events)
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  let shown = 0
  const filled = fillTables(options.events, ({ ids }) => {
    filling.advance(ids - shown)
    shown = ids
  })
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(cpuBefore)
  filling.done()
  const usage = { cpuSeconds: (user + system) / 1e6, peakRssBytes: filled.peakRssBytes, processes: {} }
  const differences = [...filled.differences, ...restart.differences]
  return {
    ...reportOf(facts, { events: options.events, seconds, usage, differences }),
    steps: filled.steps,
    restart: [restart.figures],
  }
}
