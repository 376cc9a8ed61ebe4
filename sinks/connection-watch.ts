// Whether a connection to the broker is up, for whoever waits for an answer on it: the client drops what is under way when
// the connection is lost, and what is sent before it is back, and lets the caller wait for the time-out.
// Invariant: this is a matter of time alone. A loss says nothing about what the broker stored.

import { errors, type NatsConnection, type RequestOptions } from '@nats-io/transport-node'

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

/**
 * Makes every request on the connection, those of JetStream and of buckets included, fail as soon as the connection is
 * lost, and wait for it while it is down; the client would let each run into its time-out.
 */
export function failRequestsWhenLost(nc: NatsConnection): void {
  const watch = watchOf(nc)
  const send = nc.request.bind(nc)
  type Request = Parameters<typeof send>
  const attempt = async (answer: ReturnType<typeof send>) => {
    const message = await unlessLost(nc, answer)
    if (message === undefined) throw new errors.ConnectionError('the connection to the broker was lost')
    return message
  }
  nc.request = (...request: Request) => {
    if (watch.isUp) return attempt(send(...request)) // sent before this returns: an atomic batch relies on the order
    const options: Partial<RequestOptions> | undefined = request[2]
    return watch.reached(options?.timeout ?? 1_000).then(isUp => {
      if (!isUp) throw new errors.ConnectionError('the broker is out of reach')
      return attempt(send(...request))
    })
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
