// Whether the broker is in reach. The NATS client buffers what is published while it is disconnected; the gateway
// must not let it, since every retry of an outage would add a copy. So it asks here first, and waits.

import type { NatsConnection } from '@nats-io/transport-node'

export class BrokerLink {
  #connected: boolean
  #closed = false
  #waiting: (() => void)[] = []
  #lost: (() => void)[] = []

  constructor(nc: NatsConnection) {
    this.#connected = nc.info !== undefined
    void this.#watch(nc)
  }

  get connected(): boolean {
    return this.#connected
  }

  /** True once the broker is in reach, false when it is not by then. */
  async reached(withinMs: number): Promise<boolean> {
    if (this.#connected) return true
    if (withinMs <= 0) return false
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, withinMs)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    return this.#connected
  }

  /** Calls back at the next loss of the connection, unless taken back by the returned function. */
  onLost(callback: () => void): () => void {
    this.#lost.push(callback)
    return () => {
      const at = this.#lost.indexOf(callback)
      if (at >= 0) this.#lost.splice(at, 1)
    }
  }

  /** The watch itself ends with the connection's next change of state, or with the connection. */
  close(): void {
    this.#closed = true
  }

  async #watch(nc: NatsConnection): Promise<void> {
    for await (const event of nc.status()) {
      if (this.#closed) return
      if (event.type === 'reconnect') {
        this.#connected = true
        for (const resolve of this.#waiting.splice(0)) resolve()
      } else if (event.type === 'disconnect' || event.type === 'close') {
        this.#connected = false
        for (const callback of this.#lost.splice(0)) callback()
      }
    }
  }
}
