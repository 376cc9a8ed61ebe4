// Where inputs are read from the broker, in memory that is used again.
// Invariant: it never asks for anything twice: when the link is lost, so are its readings, and each is told at once.

import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { BytePool } from '../memory/byte-pool.js'
import { BulkLink } from './bulk-link.js'
import type { WireMessage } from './wire-parser.js'

/** What the broker sends for one reading. The memory of a message is the reader's until he gives it back. */
export interface PullReading {
  readonly onMessage: (message: WireMessage) => void
  /** The link is lost, and this reading with it. */
  readonly onLost: (detail: string) => void
}

export interface OpenReading {
  /** Asks for more; dropped when the link is lost. */
  pull(natsSubject: string, request: string): void
  close(): void
}

const idleMemoryBytes = 48 << 20

const links = new WeakMap<NatsConnection, PullLink>()

/** One link beside each connection. */
export function pullLinkOf(nc: NatsConnection): PullLink {
  const before = links.get(nc)
  if (before !== undefined) return before
  const link = new PullLink(nc)
  links.set(nc, link)
  return link
}

export class PullLink {
  /** Where messages are put, and where their memory is given back to. */
  readonly memory = new BytePool(idleMemoryBytes, bytes => new ArrayBuffer(bytes))
  readonly #link: BulkLink
  readonly #readings = new Map<number, PullReading>()
  #nextSid = 1

  constructor(nc: NatsConnection) {
    this.#link = new BulkLink(nc, {
      memoryFor: (sid, length) => (this.#readings.has(sid) ? this.memory.take(length) : undefined),
      onMessage: message => this.#onMessage(message),
      onLost: detail => this.#onLost(detail),
    })
  }

  /** Begins a reading, once the link is up. Throws when the client is closed before that. */
  async open(reading: PullReading): Promise<OpenReading> {
    const socket = await this.#link.reached()
    const sid = this.#nextSid
    this.#nextSid += 1
    const inbox = createInbox()
    this.#readings.set(sid, reading)
    socket.write(`SUB ${inbox} ${sid}\r\n`)
    return {
      pull: (natsSubject, request) => {
        if (!this.#readings.has(sid)) return
        const pull = `PUB ${natsSubject} ${inbox} ${Buffer.byteLength(request)}\r\n${request}\r\n`
        this.#link.socket?.write(pull)
      },
      close: () => {
        if (this.#readings.delete(sid)) this.#link.socket?.write(`UNSUB ${sid}\r\n`)
      },
    }
  }

  #onMessage(message: WireMessage): void {
    const reading = this.#readings.get(message.sid)
    if (reading === undefined) this.memory.give(message.memory)
    else reading.onMessage(message)
  }

  #onLost(detail: string): void {
    const lost = [...this.#readings.values()]
    this.#readings.clear()
    for (const { onLost } of lost) onLost(detail)
  }
}
