// Passes on the messages of an input in their order, and brings those that belong to another partition there first.
//
// The broker computes the partition of the token that a producer wrote. For an id with characters that a token escapes
// (`usage.jane@acme`) that is not the customer's partition, unless the producer has escaped it.
// Invariants:
// 1. A message is passed on only when those before it were, and one that belongs elsewhere only when it is stored there. So no
//    commit moves the position past a message that is nowhere else (I1).
// 2. One that is placed again after a crash counts once: see place-message.ts.
// 3. One that the broker does not take is passed on as it came: it becomes a dead letter here.

import { setTimeout as sleep } from 'node:timers/promises'
import { backOffMs } from '../broker/back-off.js'
import { otherPartitionOf, type PlaceAccess, placeMessage } from '../broker/place-message.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import type { EngineLimits } from '../config/limits.js'

export interface MisplacedOptions extends PlaceAccess {
  readonly partitions: number
  readonly stream: 'METERING' | 'LIFECYCLE'
  readonly limits: EngineLimits
  readonly pass: (message: ReadMessage) => void
  readonly onInterruption: (detail: string) => void
}

/** A message that waits, and whether it was placed elsewhere, once that is under way. */
interface Held {
  readonly message: ReadMessage
  readonly partition: number | undefined
  placed: Promise<boolean> | undefined
}

/** Messages that are placed at the same time. */
const mostAtOnce = 128

export class MisplacedMessages {
  readonly #options: MisplacedOptions
  readonly #held: Held[] = []
  #bytes = 0
  #isWorking = false
  #stopped = false

  constructor(options: MisplacedOptions) {
    this.#options = options
  }

  /** Messages that wait here. */
  get count(): number {
    return this.#held.length
  }

  get bytes(): number {
    return this.#bytes
  }

  add(natsSubject: string, message: ReadMessage): void {
    const { partitions, pass } = this.#options
    const partition = otherPartitionOf(natsSubject, partitions)
    if (partition === undefined && this.#held.length === 0) {
      pass(message)
      return
    }
    this.#held.push({ message, partition, placed: undefined })
    this.#bytes += message.bytes.length
    if (!this.#isWorking) void this.#work()
  }

  stop(): void {
    this.#stopped = true
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      for (const held of this.#held.slice(0, mostAtOnce)) held.placed ??= this.#place(held)
      const isElsewhere = await first.placed
      if (this.#stopped) return
      this.#held.shift()
      this.#bytes -= first.message.bytes.length
      this.#options.pass(isElsewhere === true ? { ...first.message, isElsewhere } : first.message) // invariant 1
    }
    this.#isWorking = false
  }

  /** Whether the message is in its partition now. Tries until the broker has answered. */
  async #place({ message, partition }: Held): Promise<boolean> {
    if (partition === undefined) return false
    const { stream, limits, onInterruption } = this.#options
    const root = stream === 'METERING' ? 'metering' : 'lifecycle'
    const { seq, arrivedAtMs, head, bytes } = message
    for (let failures = 1; !this.#stopped; failures += 1) {
      const to = { root, partition, stream, seq, arrivedAtMs, headers: head, bytes } as const
      const outcome = await placeMessage(this.#options, to)
      if (outcome.kind !== 'again') return outcome.kind === 'placed' // invariant 3
      if (this.#stopped) break
      onInterruption(
        `message ${seq} of ${stream} was not placed in partition ${partition}: ${outcome.detail}`,
      )
      await sleep(backOffMs(failures, limits))
    }
    return false
  }
}
