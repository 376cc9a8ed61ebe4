// Tells callers that wait for an answer whether the connection to the broker is up. The client drops open
// requests when the connection is lost, drops what is sent while it is down, and lets the caller wait for the
// time-out.
// Invariant: this only shortens waiting. A lost connection says nothing about what the broker stored.

import { errors, type NatsConnection } from '@nats-io/transport-node'

export interface ConnectionWatch {
  readonly isUp: boolean
  /** True once the connection is up; false when it is closed, or still down after `withinMs`. */
  reached(withinMs: number): Promise<boolean>
  /** Calls back whenever the connection is lost or back, until the returned function is called. */
  onChange(callback: (isUp: boolean) => void): () => void
}

/** Resolves to `answer`, or to undefined as soon as the connection is lost; a later result is ignored. */
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
 * Wraps the connection: a request (also of JetStream and of buckets) fails as soon as the connection is lost,
 * and a request made while it is down is sent once it is back. The client alone would wait for the time-out,
 * and drop what is sent meanwhile. All else is passed to `nc`, which is not changed.
 */
export function failingWhenLost(nc: NatsConnection, watch: ConnectionWatch): NatsConnection {
  const request: NatsConnection['request'] = async (natsSubject, payload, options) => {
    // No `await` while the connection is up, so that requests are sent in the order of the calls.
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

/** The client's default time-out of a request. */
const defaultTimeoutMs = 1_000

/** Watches the connection until it is closed. */
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
