// A producer that does what producers should: it repeats the same bytes until it gets a 202.
// Invariant: an event counts as acknowledged only by a 202; a lost answer counts as no answer.

import { setTimeout as sleep } from 'node:timers/promises'
import type { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import type { CloudEventJson } from '../../demo/traffic.js'

export const eventsPerRequest = 1_000
const answerDeadlineMs = 30_000
const retryPauseMs = 50

export class Producer {
  readonly #weir: SupervisedWeir
  /** The number of events in acknowledged requests, including those refused one by one. */
  acknowledged = 0
  accepted = 0
  /** Requests that had to be sent again. */
  resent = 0
  /** Answers other than 202, and how many of each: the test checks what producers see. */
  readonly answers = new Map<string, number>()

  constructor(weir: SupervisedWeir) {
    this.#weir = weir
  }

  /** Resolves when every event is acknowledged. `mayGoOn` is asked before each request. */
  async send(
    events: readonly CloudEventJson[],
    inFlight: number,
    mayGoOn: () => Promise<void> = async () => {},
  ): Promise<void> {
    let next = 0
    const sender = async (): Promise<void> => {
      while (next < events.length) {
        const batch = events.slice(next, next + eventsPerRequest)
        next += batch.length
        await mayGoOn()
        await this.#sendBatch(batch)
      }
    }
    await Promise.all(Array.from({ length: inFlight }, sender))
  }

  async #sendBatch(batch: readonly CloudEventJson[]): Promise<void> {
    const body = JSON.stringify(batch)
    while (!(await this.#attempt(body, batch.length))) {
      this.resent += 1
      await sleep(retryPauseMs)
    }
  }

  async #attempt(body: string, count: number): Promise<boolean> {
    const headers = {
      'content-type': 'application/cloudevents-batch+json',
      authorization: `Bearer ${this.#weir.instance?.api_key ?? ''}`,
    }
    let status: number
    let text: string
    try {
      const signal = AbortSignal.timeout(answerDeadlineMs)
      const answer = await fetch(`${this.#weir.url}/v1/events`, { method: 'POST', headers, body, signal })
      status = answer.status
      text = await answer.text()
    } catch {
      this.#note('no answer')
      return false
    }
    if (status !== 202) {
      this.#note(`${status} ${(JSON.parse(text) as { code?: string }).code ?? ''}`)
      if (status === 429 || status === 503) return false
      throw new Error(`POST /v1/events answered ${status}, which no producer would try again: ${text}`)
    }
    this.acknowledged += count
    this.accepted += (JSON.parse(text) as { accepted: number }).accepted
    return true
  }

  #note(answer: string): void {
    this.answers.set(answer, (this.answers.get(answer) ?? 0) + 1)
  }
}
