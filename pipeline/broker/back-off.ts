// The one way to wait: for how long after a failure, until a signal, up to a deadline.

import { setTimeout as sleep } from 'node:timers/promises'

export interface BackOff {
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

/**
 * Doubles per failure up to the limit. `random`, from 0 to 1, takes up to half of it away, so that processes do not return
 * in step; without it the pause is whole.
 */
export function backOffMs(failures: number, { retryMinMs, retryMaxMs }: BackOff, random = 1): number {
  const fullMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 30))
  return fullMs * (0.5 + 0.5 * random)
}

/** Ends early, without an error, when the signal fires. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}

/** Whether the work ended within the time; a failure of it is thrown. What becomes of it later is nobody's. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = new AbortController()
  const late = sleep(ms, false, { signal: ended.signal }).catch(() => false)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    ended.abort()
  }
}
