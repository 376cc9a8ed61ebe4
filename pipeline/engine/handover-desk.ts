// Publishes the events that the core hands over to other partitions, to their part of LIFECYCLE. The core keeps each until it
// is told, in the next step, that the broker has it on disk.
//
// Invariants:
// 1. Nothing is published before the commit that holds it is stored, and everything that one holds is: a session that
//    restores a state begins with what that has.
// 2. One that is published again after a crash counts once: the event has one identity.

import { jetstream } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { backOffMs, pauseFor } from '../broker/back-off.js'
import { natsSubjects } from '../broker/topology.js'
import type { Handover } from '../core/ports/core-io.js'
import type { LedgerAccess } from '../ledger/commit.js'
import { describe } from '../ledger/failures.js'

type Access = Pick<LedgerAccess, 'nc' | 'limits' | 'signal' | 'onRetry'>

/** Published at the same time; the others wait in the state. */
const mostAtOnce = 128

export class HandoverDesk {
  readonly #access: Access
  readonly #onPublished: () => void
  /** Under way, or published and not yet taken note of by the core. */
  readonly #open = new Set<string>()
  #published: string[] = []

  constructor(access: Access, onPublished: () => void) {
    this.#access = access
    this.#onPublished = onPublished
  }

  get hasPublished(): boolean {
    return this.#published.length > 0
  }

  /** Of a stored commit: all that the core has. */
  publish(handovers: readonly Handover[]): void {
    for (const handover of handovers) {
      if (this.#open.size >= mostAtOnce) return
      if (this.#open.has(handover.key)) continue
      this.#open.add(handover.key)
      void this.#publish(handover)
    }
  }

  takePublished(): readonly string[] {
    const published = this.#published
    this.#published = []
    return published
  }

  /** To be called when the core has processed these keys. */
  settled(keys: readonly string[]): void {
    for (const key of keys) this.#open.delete(key)
  }

  async #publish({ key, partition, event }: Handover): Promise<void> {
    const { nc, limits, signal, onRetry } = this.#access
    const made = headers()
    made.set('Content-Type', 'application/cloudevents+json')
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await jetstream(nc).publish(natsSubjects.gatewayLifecycle(partition), event, {
          headers: made,
          msgID: key,
        })
        this.#published.push(key)
        this.#onPublished()
        return
      } catch (error) {
        if (signal.aborted) return
        onRetry(`an event for partition ${partition} was not handed over: ${describe(error)}`)
        await pauseFor(backOffMs(failures, limits), signal)
      }
    }
  }
}
