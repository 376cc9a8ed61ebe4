// The stream ARRIVAL_OUTCOMES of one source: what became of its arrivals, and how far its mapper is.
// Invariant: each message is written on top of the one that this process read or wrote last. If another process maps the
// same source, one of the two is refused and reads again.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import {
  type ArrivalOutcomes,
  arrivalOutcomesSchema,
  type SourceCheckpoint,
} from '../../schemas/arrival-outcome.js'
import { natsSubjects } from '../broker/topology.js'
import { isWrongRevision } from '../broker/wrong-revision.js'

const stream = 'ARRIVAL_OUTCOMES'
const timeoutMs = 5_000

/** Another process has written for this source. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs'
}

export class OutcomeLog {
  readonly #js: JetStreamClient
  readonly #jsm: JetStreamManager
  readonly #source: string
  #last = 0

  constructor(js: JetStreamClient, jsm: JetStreamManager, source: string) {
    this.#js = js
    this.#jsm = jsm
    this.#source = source
  }

  /** How far the source is; undefined: nothing has an outcome yet. */
  async read(): Promise<SourceCheckpoint | undefined> {
    const last_by_subj = natsSubjects.arrivalOutcomes(this.#source)
    const message = await this.#jsm.streams.getMessage(stream, { last_by_subj })
    this.#last = message?.seq ?? 0
    return message === null ? undefined : arrivalOutcomesSchema.parse(message.json()).checkpoint
  }

  async write(outcomes: ArrivalOutcomes): Promise<void> {
    const expect = { streamName: stream, lastSubjectSequence: this.#last }
    try {
      const { seq } = await this.#js.publish(
        natsSubjects.arrivalOutcomes(this.#source),
        JSON.stringify(outcomes),
        { expect, timeout: timeoutMs },
      )
      this.#last = seq
    } catch (error) {
      if (isWrongRevision(error)) throw new NotOurs('another process has written outcomes of this source')
      throw error
    }
  }
}
