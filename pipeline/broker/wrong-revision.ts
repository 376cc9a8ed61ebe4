// Whether the broker refused a fenced write because somebody wrote first.

import { JetStreamApiError } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { wrongLastSequence } from './atomic-batch.js'

/** True for the error of a `KV.create`, `update` or `put` whose key has another revision than the one it names. */
export function isWrongRevision(error: unknown): boolean {
  return error instanceof JetStreamApiError && wrongLastSequence.has(error.code)
}

/** Writes an entry on top of the revision that was read, 0 where there was none; false: somebody else wrote in the meantime. */
export async function writeOver(
  kv: KV,
  key: string,
  value: Uint8Array | string,
  revision: number,
): Promise<boolean> {
  try {
    if (revision === 0) await kv.create(key, value)
    else await kv.update(key, value, revision)
    return true
  } catch (error) {
    if (isWrongRevision(error)) return false
    throw error
  }
}
