// Whether a connection to the broker is up, for whoever waits for an answer on it: the client drops what is under way when
// the connection is lost, and what is sent before it is back, and lets the caller wait for the time-out.
// Invariant: this is a matter of time alone. A loss says nothing about what the broker stored.

import type { NatsConnection } from '@nats-io/transport-node'

export interface ConnectionWatch {
  readonly isUp: boolean
  /** True once the connection is up, false when it is not by then. */
  reached(withinMs: number): Promise<boolean>
  /** Calls back at every loss and at every return until taken back by the returned function. */
  onChange(callback: (isUp: boolean) => void): () => void
}

const watches = new WeakMap<NatsConnection, ConnectionWatch>()

/** One watch for each connection, however many ask; it ends with the connection. */
export function watchOf(nc: NatsConnection): ConnectionWatch {
  const before = watches.get(nc)
  if (before !== undefined) return before
  const watch = startWatch(nc)
  watches.set(nc, watch)
  return watch
}

/** What `answer` answers, or undefined as soon as the connection is lost. What comes of it later is nobody's. */
export async function unlessLost<T>(nc: NatsConnection, answer: Promise<T>): Promise<T | undefined> {
  const watch = watchOf(nc)
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

function startWatch(nc: NatsConnection): ConnectionWatch {
  const callbacks = new Set<(isUp: boolean) => void>()
  let isUp = nc.info !== undefined
  const follow = async (): Promise<void> => {
    for await (const { type } of nc.status()) {
      if (type !== 'disconnect' && type !== 'reconnect' && type !== 'close') continue
      isUp = type === 'reconnect'
      for (const callback of [...callbacks]) callback(isUp)
    }
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
      if (isUp) return true
      await new Promise<void>(resolve => {
        const done = (): void => {
          clearTimeout(timer)
          takeBack()
          resolve()
        }
        const timer = setTimeout(done, withinMs)
        const takeBack = onChange(up => {
          if (up) done()
        })
      })
      return isUp
    },
    onChange,
  }
}
