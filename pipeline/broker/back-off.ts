// All waiting in the pipeline: the pause after a failure, a pause that a signal ends, and a deadline for
// work.

import { setTimeout as sleep } from 'node:timers/promises'

export interface BackOff {
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

/**
 * Doubles per failure up to the limit. `random`, from 0 to 1, shortens the pause by up to half, so that
 * processes do not retry at the same time; without it the pause is not shortened.
 */
export function backOffMs(failures: number, { retryMinMs, retryMaxMs }: BackOff, random = 1): number {
  const fullMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 30))
  return fullMs * (0.5 + 0.5 * random)
}

/** Ends early, without an error, when the signal fires. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}

/** Whether the work ended within the time; throws the work's error. A later result is ignored. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  const ended = new AbortController()
  const late = sleep(ms, false, { signal: ended.signal }).catch(() => false)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    ended.abort()
  }
}
