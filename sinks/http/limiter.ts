// The limit of requests of one account at a receiver: so many a second, a minute, and at the same time.
//
// `Limiter` is the port. `limiterOf` holds within one connection of one process; what holds over connections and
// processes is made by pipeline/connections and handed in.

import pThrottle from 'p-throttle'

export interface Rate {
  readonly per_second?: number | undefined
  readonly per_minute?: number | undefined
  readonly concurrent?: number | undefined
  /** Connections with one account share its limits. */
  readonly account?: string | undefined
}

export interface Limiter {
  /** Waits until one more request may go. The function that it gives must be called when the request has ended. Undefined: `signal` fired first. */
  enter(signal: AbortSignal): Promise<(() => void) | undefined>
}

export const freeLimiter: Limiter = { enter: async () => () => undefined }

export function limiterOf(rate: Rate): Limiter {
  const { per_second: perSecond, per_minute: perMinute, concurrent } = rate
  const places = concurrent === undefined ? undefined : new Places(concurrent)
  const gates = [
    ...(perSecond === undefined ? [] : [atMost(perSecond, 1_000)]),
    ...(perMinute === undefined ? [] : [atMost(perMinute, 60_000)]),
  ]
  if (places === undefined && gates.length === 0) return freeLimiter
  return {
    async enter(signal) {
      const leave = places === undefined ? () => undefined : await places.take(signal)
      if (leave === undefined) return undefined
      for (const gate of gates) {
        if (await passes(gate, signal)) continue
        leave()
        return undefined
      }
      return leave
    },
  }
}

/** How long a page may take whose requests all wait for the limit: for `attemptMs` of a connector. */
export function pageMs(requestMs: number, requests: number, rate: Rate): number {
  const perSecond = Math.min(
    rate.per_second ?? Number.POSITIVE_INFINITY,
    (rate.per_minute ?? Number.POSITIVE_INFINITY) / 60,
  )
  const rounds = Math.ceil(requests / (rate.concurrent ?? requests))
  // Timers take whole milliseconds.
  return Math.ceil(rounds * requestMs + (Number.isFinite(perSecond) ? (requests / perSecond) * 1_000 : 0))
}

type Gate = () => Promise<void>

function atMost(limit: number, intervalMs: number): Gate {
  // p-throttle counts whole calls: less than one a second is one in a longer time.
  const whole = Math.max(1, Math.floor(limit))
  return pThrottle({ limit: whole, interval: (intervalMs * whole) / limit, strict: true })(
    async () => undefined,
  )
}

async function passes(gate: Gate, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  let fire = (): void => undefined
  const fired = new Promise<void>(resolve => {
    fire = resolve
    signal.addEventListener('abort', fire, { once: true })
  })
  await Promise.race([gate(), fired])
  signal.removeEventListener('abort', fire)
  return !signal.aborted
}

/** So many at the same time, in the order of their coming. */
class Places {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return undefined
    if (this.#free > 0) this.#free -= 1
    else if (!(await this.#turn(signal))) return undefined
    let isLeft = false
    return () => {
      if (isLeft) return
      isLeft = true
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next()
    }
  }

  #turn(signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const abort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        resolve(false)
      }
      const go = (): void => {
        signal.removeEventListener('abort', abort)
        resolve(true)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.push(go)
    })
  }
}
