// The connection over which inputs are read: beside the client's, to the same server and with the same credentials.
// Everything small goes over the client; this one exists for the bulk, which it hands out in memory that is used again.
//
// Invariants:
// 1. It never asks for anything twice: when it is lost, so are its readings, and each is told at once.
// 2. It follows the client: it dials the server that the client is connected to, and ends with it.

import { setTimeout as sleep } from 'node:timers/promises'
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { watchOf } from '../../sinks/connection-watch.js'
import { BytePool } from '../workers/byte-pool.js'
import { BrokerSocket } from './broker-socket.js'
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

const retryMinMs = 20
const retryMaxMs = 1_000
const dialTimeoutMs = 5_000
const pingMs = 20_000
const mostUnansweredPings = 2
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
  readonly #nc: NatsConnection
  readonly #readings = new Map<number, PullReading>()
  #socket: BrokerSocket | undefined
  #dialing: Promise<void> | undefined
  #nextSid = 1
  #unansweredPings = 0

  constructor(nc: NatsConnection) {
    this.#nc = nc
    const pings = setInterval(() => this.#ping(), pingMs)
    pings.unref()
    void nc.closed().then(() => {
      clearInterval(pings)
      this.#socket?.destroy() // invariant 2
    })
  }

  /** Begins a reading, once the link is up. Throws when the client is closed before that. */
  async open(reading: PullReading): Promise<OpenReading> {
    while (this.#socket === undefined) {
      if (this.#nc.isClosed()) throw new Error('the connection is closed')
      this.#dialing ??= this.#dial()
      await this.#dialing
    }
    const sid = this.#nextSid
    this.#nextSid += 1
    const inbox = createInbox()
    this.#readings.set(sid, reading)
    this.#socket.write(`SUB ${inbox} ${sid}\r\n`)
    return {
      pull: (natsSubject, request) => {
        if (!this.#readings.has(sid)) return
        this.#socket?.write(`PUB ${natsSubject} ${inbox} ${Buffer.byteLength(request)}\r\n${request}\r\n`)
      },
      close: () => {
        if (this.#readings.delete(sid)) this.#socket?.write(`UNSUB ${sid}\r\n`)
      },
    }
  }

  /** Until there is a link, or the client is closed. */
  async #dial(): Promise<void> {
    for (let waitMs = retryMinMs; !this.#nc.isClosed(); waitMs = Math.min(2 * waitMs, retryMaxMs)) {
      try {
        if (await watchOf(this.#nc).reached(dialTimeoutMs)) {
          this.#socket = await BrokerSocket.dial(this.#nc, dialTimeoutMs, {
            memoryFor: (sid, length) => (this.#readings.has(sid) ? this.memory.take(length) : undefined),
            onMessage: message => this.#onMessage(message),
            onPong: () => {
              this.#unansweredPings = 0
            },
            onClosed: detail => this.#onLost(detail),
          })
          break
        }
      } catch {
        await sleep(waitMs) // what is wrong with the broker, the client tells
      }
    }
    this.#dialing = undefined
  }

  #onMessage(message: WireMessage): void {
    const reading = this.#readings.get(message.sid)
    if (reading === undefined) this.memory.give(message.memory)
    else reading.onMessage(message)
  }

  #ping(): void {
    if (this.#unansweredPings >= mostUnansweredPings) this.#socket?.destroy()
    this.#unansweredPings += 1
    this.#socket?.write('PING\r\n')
  }

  #onLost(detail: string): void {
    this.#socket = undefined
    this.#unansweredPings = 0
    const lost = [...this.#readings.values()]
    this.#readings.clear()
    for (const { onLost } of lost) onLost(detail) // invariant 1
  }
}
