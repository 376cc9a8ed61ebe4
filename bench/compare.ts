// `weir bench compare`: runs end-to-end and floor alternately, several rounds, on the same events, and
// reports the ratios of their events per second and of their CPU time. They alternate, so that other load
// slows both.

import { type EndToEndReport, endToEndFrom } from './end-to-end.js'
import { type FloorReport, floorFrom } from './floor/floor.js'
import type { BenchOptions } from './measure/context.js'
import { type BenchReport, median, rounded } from './measure/report.js'
import { Producer } from './workload/producer.js'

export interface CompareRound {
  readonly end_to_end: EndToEndReport
  readonly floor: FloorReport
  readonly ratio: number
  /** CPU time of floor / end-to-end; other work on the machine affects it little. */
  readonly cpu_ratio: number
}

/** The figures of contract section 8 are those of the end-to-end run in the middle. */
export interface CompareReport extends BenchReport {
  /** End-to-end / floor, median of the rounds. */
  readonly ratio: number
  readonly cpu_ratio: number
  readonly floor_events_per_second: number
  readonly rounds: readonly CompareRound[]
}

export async function compare(options: BenchOptions, rounds: number): Promise<CompareReport> {
  const producer = new Producer()
  const done: CompareRound[] = []
  try {
    for (let round = 1; round <= rounds; round += 1) {
      options.progress.notice(`round ${round} of ${rounds}`)
      // Which of both runs first alternates too.
      const first = round % 2 === 1 ? await floorFrom(producer, options) : undefined
      const endToEnd = await endToEndFrom(producer, options)
      const floor = first ?? (await floorFrom(producer, options))
      const ratio = rounded(endToEnd.events_per_second / floor.events_per_second, 4)
      const cpuRatio = rounded(floor.cpu_seconds / endToEnd.cpu_seconds, 4)
      done.push({ end_to_end: endToEnd, floor, ratio, cpu_ratio: cpuRatio })
    }
  } finally {
    await producer.stop()
  }
  return summary(done)
}

function summary(rounds: readonly CompareRound[]): CompareReport {
  const bySpeed = rounds.map(round => round.end_to_end).sort((a, b) => a.seconds - b.seconds)
  const middle = bySpeed[(bySpeed.length - 1) >> 1]
  if (middle === undefined) throw new Error('compare needs at least one round')
  const differences = rounds.flatMap(({ end_to_end, floor }) => [
    ...end_to_end.differences,
    ...floor.differences,
  ])
  const { benchmark: _, processes: __, rows: ___, bytes: ____, published_seconds: _____, ...figures } = middle
  return {
    benchmark: 'compare',
    ...figures,
    conservation: differences.length === 0 ? 'ok' : 'violated',
    differences,
    ratio: rounded(median(rounds.map(round => round.ratio)), 4),
    cpu_ratio: rounded(median(rounds.map(round => round.cpu_ratio)), 4),
    floor_events_per_second: Math.round(median(rounds.map(round => round.floor.events_per_second))),
    rounds,
  }
}
