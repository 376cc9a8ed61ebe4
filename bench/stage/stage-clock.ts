// Times pieces of work by the name of their stage. One figure per round, and the median of the rounds. Beside
// the clock, the time that this thread was on a processor: other work on the machine does not count there.

import { readFileSync } from 'node:fs'
import { median, rounded } from '../measure/report.js'

export interface StageFigure {
  readonly stage: string
  /** Median of the rounds. */
  readonly ns_per_event: number
  /** CPU time of this thread; 0 where the kernel does not report it. Exact to some milliseconds per call. */
  readonly cpu_ns_per_event: number
  readonly events_per_second: number
}

interface Spent {
  seconds: number
  cpuNs: number
  events: number
}

export class StageClock {
  readonly #rounds: Map<string, Spent>[] = []

  beginRound(): void {
    this.#rounds.push(new Map())
  }

  /** `events`: how many of them the work is for. */
  time<T>(stage: string, events: number, work: () => T): T {
    const cpuBeforeNs = threadCpuNs()
    const startedAt = performance.now()
    const result = work()
    const spent = this.#spentOn(stage)
    spent.cpuNs += threadCpuNs() - cpuBeforeNs
    spent.seconds += (performance.now() - startedAt) / 1_000
    spent.events += events
    return result
  }

  /** The seconds of each round. */
  seconds(stage: string): number[] {
    return this.#rounds.map(round => round.get(stage)?.seconds ?? 0)
  }

  figures(): StageFigure[] {
    const stages = [...(this.#rounds[0]?.keys() ?? [])]
    return stages.map(stage => {
      const perEvent = this.#perEvent(stage, ({ seconds }) => seconds * 1e9)
      const cpuPerEvent = this.#perEvent(stage, ({ cpuNs }) => cpuNs)
      return {
        stage,
        ns_per_event: rounded(perEvent, 1),
        cpu_ns_per_event: rounded(cpuPerEvent, 1),
        events_per_second: Math.round(1e9 / perEvent),
      }
    })
  }

  #perEvent(stage: string, ns: (spent: Spent) => number): number {
    const spent = this.#rounds.map(round => round.get(stage)).filter(one => one !== undefined)
    return median(spent.map(one => ns(one) / one.events))
  }

  #spentOn(stage: string): Spent {
    const round = this.#rounds.at(-1)
    if (round === undefined) throw new Error('no round was begun')
    const known = round.get(stage)
    if (known !== undefined) return known
    const spent = { seconds: 0, cpuNs: 0, events: 0 }
    round.set(stage, spent)
    return spent
  }
}

export function threadCpuNs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ', 1)[0])
  } catch {
    return 0
  }
}
