// Whether a connection to the broker is up, for whoever waits for an answer on it: the client drops what is under way when
// the connection is lost, and what is sent before it is back, and lets the caller wait for the time-out.
// Invariant: this is a matter of time alone. A loss says nothing about what the broker stored.

import { errors, type NatsConnection } from '@nats-io/transport-node'

export interface ConnectionWatch {
  readonly isUp: boolean
  /** True once the connection is up, false when it is not by then, or was closed. */
  reached(withinMs: number): Promise<boolean>
  /** Calls back at every loss and at every return until taken back by the returned function. */
  onChange(callback: (isUp: boolean) => void): () => void
}

/** What `answer` answers, or undefined as soon as the connection is lost. What comes of it later is nobody's. */
export async function unlessLost<T>(watch: ConnectionWatch, answer: Promise<T>): Promise<T | undefined> {
  let takeBack = () => {}
  const lost = new Promise<undefined>(resolve => {
    takeBack = watch.onChange(isUp => {
      if (!isUp) resolve(undefined)
    })
  })
  answer.catch(() => undefined)
  try {
    return await Promise.race([answer, lost])
  } finally {
    takeBack()
  }
}

/**
 * The same connection, but a request on it, those of JetStream and of buckets included, fails as soon as the connection is
 * lost, and one that is made while it is down is sent when it is back. The client lets each run into its time-out, and
 * drops what is sent meanwhile. Everything else is the client's own; `nc` itself is left as it is.
 */
export function failingWhenLost(nc: NatsConnection, watch: ConnectionWatch): NatsConnection {
  const request: NatsConnection['request'] = async (natsSubject, payload, options) => {
    // Without a wait where there is none: what is requested goes out in the order of the calls, as with the client.
    if (!watch.isUp && !(await watch.reached(options?.timeout ?? defaultTimeoutMs)))
      throw new errors.ConnectionError('the broker is out of reach')
    const answer = await unlessLost(watch, nc.request(natsSubject, payload, options))
    if (answer === undefined) throw new errors.ConnectionError('the connection to the broker was lost')
    return answer
  }
  return new Proxy(nc, {
    get: (target, key, receiver) => (key === 'request' ? request : Reflect.get(target, key, receiver)),
  })
}

/** The client's own, of a request that names none. */
const defaultTimeoutMs = 1_000

/** It ends with the connection. */
export function watchConnection(nc: NatsConnection): ConnectionWatch {
  const callbacks = new Set<(isUp: boolean) => void>()
  let isUp = nc.info !== undefined
  let isOver = false
  const change = (up: boolean): void => {
    if (up === isUp) return
    isUp = up
    for (const callback of [...callbacks]) callback(isUp)
  }
  const follow = async (): Promise<void> => {
    for await (const { type } of nc.status()) {
      if (type === 'disconnect' || type === 'reconnect' || type === 'close') change(type === 'reconnect')
    }
    isOver = true
    isUp = false
    for (const callback of [...callbacks]) callback(false)
  }
  void follow()
  const onChange = (callback: (isUp: boolean) => void): (() => void) => {
    callbacks.add(callback)
    return () => callbacks.delete(callback)
  }
  return {
    get isUp() {
      return isUp
    },
    async reached(withinMs) {
      if (isUp || isOver) return isUp
      await new Promise<void>(resolve => {
        const done = (): void => {
          clearTimeout(timer)
          takeBack()
          resolve()
        }
        const timer = setTimeout(done, withinMs)
        const takeBack = onChange(up => {
          if (up || isOver) done()
        })
      })
      return isUp
    },
    onChange,
  }
}
