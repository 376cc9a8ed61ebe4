// How long to wait after a failure.

import { setTimeout as sleep } from 'node:timers/promises'

export interface BackOff {
  readonly retryMinMs: number
  readonly retryMaxMs: number
}

/** Doubles per failure up to the limit, half of it by chance, so that processes do not return in step. */
export function backOffMs(failures: number, { retryMinMs, retryMaxMs }: BackOff, random: number): number {
  const fullMs = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 30))
  return fullMs * (0.5 + 0.5 * random)
}

/** Ends early, without an error, when the signal fires. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined)
}
