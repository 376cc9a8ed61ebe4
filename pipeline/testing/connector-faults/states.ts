// How the deliveries of a run stand, read from their log while it grows.

import type { JetStreamClient } from '@nats-io/jetstream'
import { deliveryStepSchema } from '../../../schemas/billing/delivery.js'
import { readStretch } from '../../broker/read-stream.js'

interface Last {
  readonly state: string
  readonly code: string
}

export class States {
  settled = 0
  unclear = 0
  throttled = 0
  readonly #js: JetStreamClient
  readonly #last = new Map<string, Last>()
  #next = 1

  constructor(from: JetStreamClient) {
    this.#js = from
  }

  async read(): Promise<void> {
    const stretch = { stream: 'DELIVERIES', filterSubject: 'deliveries.>', from: this.#next }
    for await (const message of readStretch(this.#js, stretch, new AbortController().signal)) {
      this.#next = message.seq + 1
      for (const { delivery_id, state, attempts } of deliveryStepSchema.parse(message.json()).changed) {
        const last = attempts.at(-1)
        if (state === 'unclear') this.unclear += 1
        if (state === 'waiting' && last?.outcome === 'throttled') this.throttled += 1
        this.#last.set(delivery_id, { state, code: last?.code ?? '' })
      }
    }
    this.settled = this.count(({ state }) => state === 'posted' || state === 'refused')
  }

  count(fits: (one: Last) => boolean): number {
    return [...this.#last.values()].filter(fits).length
  }
}
