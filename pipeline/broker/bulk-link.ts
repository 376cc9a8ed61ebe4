// A connection for bulk beside the client's, to the same server and with the same credentials: what goes over it is
// neither copied into the client's buffers nor held up by them. Everything small goes over the client.
//
// Invariants:
// 1. It follows the client: it dials the server that the client is connected to, and ends with it.
// 2. It says once, and at once, when the socket is lost. Whatever was under way on it is its user's to ask for again.

import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from '@nats-io/transport-node'
import { BrokerSocket } from './broker-socket.js'
import { watchOf } from './connection-watch.js'
import type { WireMessage } from './wire-parser.js'

export interface BulkEvents {
  readonly memoryFor: (sid: number, length: number) => Uint8Array | undefined
  readonly onMessage: (message: WireMessage) => void
  readonly onLost: (detail: string) => void
}

const retryMinMs = 20
const retryMaxMs = 1_000
const dialTimeoutMs = 5_000
const pingMs = 20_000
const mostUnansweredPings = 2

export class BulkLink {
  readonly #nc: NatsConnection
  readonly #events: BulkEvents
  #socket: BrokerSocket | undefined
  #dialing: Promise<void> | undefined
  #unansweredPings = 0

  constructor(nc: NatsConnection, events: BulkEvents) {
    this.#nc = nc
    this.#events = events
    const pings = setInterval(() => this.#ping(), pingMs)
    pings.unref()
    void nc.closed().then(() => {
      clearInterval(pings)
      this.#socket?.destroy() // invariant 1
    })
  }

  /** Undefined while the link is down. */
  get socket(): BrokerSocket | undefined {
    return this.#socket
  }

  /** The socket, once there is one. Throws when the client is closed before that. */
  async reached(): Promise<BrokerSocket> {
    while (this.#socket === undefined) {
      if (this.#nc.isClosed()) throw new Error('the connection is closed')
      this.#dialing ??= this.#dial()
      await this.#dialing
    }
    return this.#socket
  }

  /** The same, or undefined when there is none by then. */
  async reachedWithin(ms: number): Promise<BrokerSocket | undefined> {
    if (this.#socket === undefined) {
      const late = new AbortController()
      const reached = this.reached().catch(() => undefined)
      await Promise.race([reached, sleep(ms, undefined, { signal: late.signal }).catch(() => undefined)])
      late.abort()
    }
    return this.#socket
  }

  /** Until there is a link, or the client is closed. */
  async #dial(): Promise<void> {
    for (let waitMs = retryMinMs; !this.#nc.isClosed(); waitMs = Math.min(2 * waitMs, retryMaxMs)) {
      try {
        if (await watchOf(this.#nc).reached(dialTimeoutMs)) {
          const { memoryFor, onMessage } = this.#events
          this.#socket = await BrokerSocket.dial(this.#nc, dialTimeoutMs, {
            memoryFor,
            onMessage,
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

  #ping(): void {
    if (this.#unansweredPings >= mostUnansweredPings) this.#socket?.destroy()
    this.#unansweredPings += 1
    this.#socket?.write('PING\r\n')
  }

  #onLost(detail: string): void {
    this.#socket = undefined
    this.#unansweredPings = 0
    this.#events.onLost(detail) // invariant 2
  }
}
