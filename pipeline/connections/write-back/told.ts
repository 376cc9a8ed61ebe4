// What was told last of each customer and each exception: the last message of its subject on the stream WRITE_BACK. Tells what
// is new.
// Invariants:
// 1. A message is written on top of the one that was read: of two processes that tell the same, one does.
// 2. What was not told, because another process was first or the broker did not answer, is found anew in the next round.

import { DeliverPolicy, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { isWrongRevision } from '../../broker/wrong-revision.js'

export interface LastTold {
  readonly sequence: number
  readonly fingerprint: string
  /** How many messages its subject has had. */
  readonly number: number
}

const stream = 'WRITE_BACK'
const fingerprintHeader = 'weir-fingerprint'
const numberHeader = 'weir-number'
const publishMs = 5_000

export class Told {
  readonly #js: JetStreamClient
  readonly #jsm: Pick<JetStreamManager, 'streams'>
  readonly #last = new Map<string, LastTold>()
  #readTo = 0

  constructor(js: JetStreamClient, jsm: Pick<JetStreamManager, 'streams'>) {
    this.#js = js
    this.#jsm = jsm
  }

  get(natsSubject: string): LastTold | undefined {
    return this.#last.get(natsSubject)
  }

  /** The subjects that begin so, with what was told last. */
  *below(prefix: string): Generator<readonly [string, LastTold]> {
    for (const one of this.#last) if (one[0].startsWith(prefix)) yield one
  }

  async document(natsSubject: string): Promise<unknown> {
    return (await this.#jsm.streams.getMessage(stream, { last_by_subj: natsSubject }))?.json()
  }

  /** Reads what was told since it was read last, by whatever process. */
  async read(signal: AbortSignal): Promise<void> {
    const from =
      this.#readTo === 0
        ? { deliver_policy: DeliverPolicy.LastPerSubject }
        : { opt_start_seq: this.#readTo + 1 }
    const consumer = await this.#js.consumers.get(stream, {
      filter_subjects: ['write_back.>'],
      headers_only: true,
      ...('opt_start_seq' in from ? { deliver_policy: DeliverPolicy.StartSequence } : {}),
      ...from,
    })
    try {
      let pending = (await consumer.info()).num_pending
      while (pending > 0 && !signal.aborted) {
        const messages = await consumer.fetch({ max_messages: 1_000, expires: 2_000 })
        for await (const { subject, seq, headers: header, info } of messages) {
          this.#last.set(subject, {
            sequence: seq,
            fingerprint: header?.get(fingerprintHeader) ?? '',
            number: Number(header?.get(numberHeader) ?? 1),
          })
          this.#readTo = Math.max(this.#readTo, seq)
          pending = info.pending
          if (pending === 0) break
        }
      }
    } finally {
      await consumer.delete().catch(() => false) // it would expire by itself
    }
  }

  /** False: another process was first. */
  async tell(natsSubject: string, fingerprint: string, document: object): Promise<boolean> {
    const before = this.#last.get(natsSubject)
    const number = (before?.number ?? 0) + 1
    const header = headers()
    header.set(fingerprintHeader, fingerprint)
    header.set(numberHeader, String(number))
    try {
      const { seq } = await this.#js.publish(natsSubject, JSON.stringify(document), {
        headers: header,
        timeout: publishMs,
        expect: { streamName: stream, lastSubjectSequence: before?.sequence ?? 0 }, // invariant 1
      })
      this.#last.set(natsSubject, { sequence: seq, fingerprint, number })
      return true
    } catch (error) {
      if (isWrongRevision(error)) return false
      throw error
    }
  }
}
