// Puts amendments onto LIFECYCLE, in the partitions of the customers that their events were sent for.
// Invariants: it resolves when the broker has every message on disk; the order of the amendments of a partition is kept;
// a message is no larger than the broker takes.

import type { JetStreamClient } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { ndjsonType } from '../../../schemas/event/media-types.js'
import { partitionOf } from '../../../schemas/identifiers.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { natsSubjects } from '../../broker/topology.js'
import type { Redriven } from './mend-event.js'

export interface AmendmentTarget {
  readonly js: JetStreamClient
  readonly partitions: number
  /** Of one message. */
  readonly maxBytes: number
}

const publishTimeoutMs = 10_000

export async function publishAmendments(
  { js, partitions, maxBytes }: AmendmentTarget,
  amendments: readonly Pick<Redriven, 'sentFor' | 'amendment'>[],
): Promise<void> {
  const lines = new Map<number, string[]>()
  for (const { sentFor, amendment } of amendments) {
    const partition = partitionOf(sentFor, partitions)
    const ofPartition = lines.get(partition) ?? []
    ofPartition.push(`${stringifyJson(amendment)}\n`)
    lines.set(partition, ofPartition)
  }
  const header = headers()
  header.set('content-type', ndjsonType)
  for (const [partition, ofPartition] of lines) {
    for (const message of cut(ofPartition, maxBytes)) {
      await js.publish(natsSubjects.gatewayLifecycle(partition), message, {
        headers: header,
        timeout: publishTimeoutMs,
        expect: { streamName: 'LIFECYCLE' },
      })
    }
  }
}

/** Joins lines to messages; a line that is too large by itself is a message that the broker refuses. */
function cut(lines: readonly string[], maxBytes: number): string[] {
  const messages: string[] = []
  let message = ''
  let bytes = 0
  for (const line of lines) {
    const size = Buffer.byteLength(line)
    if (bytes > 0 && bytes + size > maxBytes) {
      messages.push(message)
      message = ''
      bytes = 0
    }
    message += line
    bytes += size
  }
  if (bytes > 0) messages.push(message)
  return messages
}
