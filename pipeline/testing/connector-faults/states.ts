// How the deliveries of a run stand, read from their log while it grows.

import type { JetStreamClient } from '@nats-io/jetstream'
import { readStretch } from '../../broker/read-stream.js'
import type { Standing } from './count.js'

interface Step {
  readonly changed: readonly {
    readonly key: string
    readonly state: string
    readonly attempts: readonly {
      readonly outcome: string
      readonly code?: string
      readonly detail?: string
    }[]
  }[]
}

export class States {
  /** Answers that left it open whether a record was taken. */
  unclear = 0
  throttled = 0
  /** How often a record was set aside. */
  exceptions = 0
  /** Why, of those that still are. */
  readonly reasons = new Map<string, string>()
  readonly #js: JetStreamClient
  readonly #last = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  #next = 1

  constructor(from: JetStreamClient) {
    this.#js = from
  }

  async read(): Promise<void> {
    const stretch = { stream: 'DELIVERIES', filterSubject: 'deliveries.>', from: this.#next }
    for await (const message of readStretch(this.#js, stretch, new AbortController().signal)) {
      this.#next = message.seq + 1
      for (const one of message.json<Step>().changed) this.#note(one)
    }
  }

  count(...states: readonly string[]): number {
    return states.reduce((sum, state) => sum + (this.#counts.get(state) ?? 0), 0)
  }

  /** How many are in which state. */
  toString(): string {
    const shown = [...this.#counts].filter(([, count]) => count > 0)
    return shown.map(([state, count]) => `${count} ${state}`).join(', ') || 'nothing taken in'
  }

  standingOf(key: string): Standing {
    const state = this.#last.get(key)
    return state === 'posted' || state === 'refused' ? state : 'open'
  }

  #note({ key, state, attempts }: Step['changed'][number]): void {
    const last = attempts.at(-1)
    if (state === 'unclear') this.unclear += 1
    if (state === 'waiting' && last?.outcome === 'throttled') this.throttled += 1
    this.reasons.delete(key)
    if (state === 'refused') {
      this.exceptions += 1
      this.reasons.set(key, `${last?.code ?? ''}: ${last?.detail ?? ''}`)
    }
    const before = this.#last.get(key)
    if (before !== undefined) this.#counts.set(before, (this.#counts.get(before) ?? 0) - 1)
    this.#counts.set(state, (this.#counts.get(state) ?? 0) + 1)
    this.#last.set(key, state)
  }
}
