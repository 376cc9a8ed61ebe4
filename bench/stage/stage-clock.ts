// Times pieces of work by the name of their stage. One figure per round, and the median of the rounds.

import { median, rounded } from '../report.js'

export interface StageFigure {
  readonly stage: string
  /** Median of the rounds. */
  readonly ns_per_event: number
  readonly events_per_second: number
}

interface Spent {
  seconds: number
  events: number
}

export class StageClock {
  readonly #rounds: Map<string, Spent>[] = []

  beginRound(): void {
    this.#rounds.push(new Map())
  }

  /** `events`: how many of them the work is for. */
  time<T>(stage: string, events: number, work: () => T): T {
    const startedAt = performance.now()
    const result = work()
    const spent = this.#spentOn(stage)
    spent.seconds += (performance.now() - startedAt) / 1_000
    spent.events += events
    return result
  }

  /** Of each round. */
  seconds(stage: string): number[] {
    return this.#rounds.map(round => round.get(stage)?.seconds ?? 0)
  }

  figures(): StageFigure[] {
    const stages = [...(this.#rounds[0]?.keys() ?? [])]
    return stages.map(stage => {
      const perEvent = median(
        this.#rounds.map(round => {
          const { seconds, events } = round.get(stage) ?? { seconds: Number.NaN, events: 1 }
          return (seconds * 1e9) / events
        }),
      )
      return { stage, ns_per_event: rounded(perEvent, 1), events_per_second: Math.round(1e9 / perEvent) }
    })
  }

  #spentOn(stage: string): Spent {
    const round = this.#rounds.at(-1)
    if (round === undefined) throw new Error('no round was begun')
    const known = round.get(stage)
    if (known !== undefined) return known
    const spent = { seconds: 0, events: 0 }
    round.set(stage, spent)
    return spent
  }
}
