// Kills the three processes of a running Weir at random moments, in rounds. Each round kills every process
// once, in an order of its own, sometimes before the last victim is back. Everything random follows from the
// seed.

import { setTimeout as sleep } from 'node:timers/promises'
import { type SupervisedWeir, type Victim, victims } from '../../../bench/measure/supervised-weir.js'
import { fixedRandom } from '../../demo/scenario.js'

export interface Kill {
  readonly victim: Victim
  /** Time until everything was ready again; undefined when the next victim was killed before that. */
  readonly recoveryMs: number | undefined
}

export class Killer {
  readonly kills: Kill[] = []
  readonly #weir: SupervisedWeir
  readonly #seed: string
  #draws = 0

  constructor(weir: SupervisedWeir, seed: string) {
    this.#weir = weir
    this.#seed = seed
  }

  /** A number in [0, 1). */
  random(): number {
    this.#draws += 1
    return fixedRandom(`${this.#seed} draw ${this.#draws}`)
  }

  /** Kills each victim once. `beforeMs`: the longest wait before a kill. */
  async round(beforeMs: number): Promise<void> {
    const order = victims.map(victim => ({ victim, at: this.random() })).sort((a, b) => a.at - b.at)
    for (const { victim } of order) await this.strike(victim, beforeMs)
  }

  async strike(victim: Victim, beforeMs: number): Promise<void> {
    await sleep(this.random() * beforeMs)
    const impatient = this.random() < 0.3
    while (!this.#weir.kill(victim)) await sleep(10) // not started yet after the last kill
    const killedAt = performance.now()
    if (impatient) {
      this.kills.push({ victim, recoveryMs: undefined })
      return
    }
    await sleep(50) // what is dead may look ready for as long as nobody has noticed
    await this.#weir.ready()
    this.kills.push({ victim, recoveryMs: performance.now() - killedAt })
  }

  /** The number of kills by victim, and the median recovery time. */
  summary(): Record<Victim, { readonly kills: number; readonly medianMs: number | undefined }> {
    const of = (victim: Victim) => {
      const kills = this.kills.filter(kill => kill.victim === victim)
      const times = kills.flatMap(kill => kill.recoveryMs ?? []).sort((a, b) => a - b)
      const median = times[Math.floor(times.length / 2)]
      return { kills: kills.length, medianMs: median === undefined ? undefined : Math.round(median) }
    }
    return { weir: of('weir'), 'nats-server': of('nats-server'), clickhouse: of('clickhouse') }
  }
}
