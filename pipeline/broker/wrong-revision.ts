// Whether the broker refused a fenced write because somebody wrote first.

import { JetStreamApiError } from '@nats-io/jetstream'
import { wrongLastSequence } from './atomic-batch.js'

/** True for the error of a `KV.create`, `update` or `put` whose key has another revision than the one it names. */
export function isWrongRevision(error: unknown): boolean {
  return error instanceof JetStreamApiError && wrongLastSequence.has(error.code)
}
