// Keeps one socket open to the server that the client is connected to, and opens another whenever it is lost.
// Invariants:
// 1. It follows the client: it dials the client's server with the client's options, and ends when the client
//    is closed.
// 2. It reports a lost socket once, at once. It repeats nothing that was under way.

import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import { BrokerSocket, type BrokerSocketEvents } from './broker-socket.js'
import type { ConnectionWatch } from './connection-watch.js'

/** The client that a link follows. */
export interface FollowedClient {
  readonly nc: NatsConnection
  readonly watch: ConnectionWatch
  readonly options: NodeConnectionOptions
}

const retryMinMs = 20
const retryMaxMs = 1_000
/** The interval of checks whether the client was closed. */
const lookAgainMs = 1_000

export class BrokerLink {
  readonly #client: FollowedClient
  readonly #events: BrokerSocketEvents
  #socket: BrokerSocket | undefined
  #dialing: Promise<void> | undefined

  constructor(client: FollowedClient, events: BrokerSocketEvents) {
    this.#client = client
    this.#events = events
    void client.nc.closed().then(() => this.#socket?.destroy()) // invariant 1
  }

  /** Undefined while the link is down. */
  get socket(): BrokerSocket | undefined {
    return this.#socket
  }

  /** The socket, once there is one. Throws when the client is closed before that. */
  async reached(): Promise<BrokerSocket> {
    while (this.#socket === undefined) {
      if (this.#client.nc.isClosed()) throw new Error('the connection is closed')
      this.#dialing ??= this.#dial()
      await this.#dialing
    }
    return this.#socket
  }

  /** The socket, or undefined when there is none after so long. */
  async reachedWithin(ms: number): Promise<BrokerSocket | undefined> {
    if (this.#socket === undefined) {
      const late = new AbortController()
      const reached = this.reached().catch(() => undefined)
      await Promise.race([reached, sleep(ms, undefined, { signal: late.signal }).catch(() => undefined)])
      late.abort()
    }
    return this.#socket
  }

  /** Dials until there is a socket, or the client is closed. */
  async #dial(): Promise<void> {
    const { nc, watch, options } = this.#client
    for (let waitMs = retryMinMs; !nc.isClosed(); waitMs = Math.min(2 * waitMs, retryMaxMs)) {
      if (!(await watch.reached(lookAgainMs))) continue
      try {
        const onClosed = (detail: string): void => {
          this.#socket = undefined
          this.#events.onClosed(detail) // invariant 2
        }
        this.#socket = await BrokerSocket.dial(
          { server: nc.getServer(), options },
          { ...this.#events, onClosed },
        )
        break
      } catch {
        await sleep(waitMs) // the client reports what is wrong with the broker
      }
    }
    if (nc.isClosed()) this.#socket?.destroy()
    this.#dialing = undefined
  }
}
