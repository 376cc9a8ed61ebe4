// Whether ClickHouse has everything that the partitions of some customers had accepted when it was asked: the partitions have read
// it, and what they committed has been delivered.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { partitionOf } from '../../schemas/identifiers.js'
import { natsSubjects } from '../broker/topology.js'
import { isCovered, recordedPosition } from '../deliver/delivered.js'
import type { Feed } from '../deliver/feed.js'
import { readCheckpoint, readLastSequence } from '../ledger/checkpoint.js'

export interface CaughtUpParts {
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  /** That of ClickHouse. */
  readonly feed: Feed
  readonly partitions: number
  /** How long it is waited for. Default 5 s. */
  readonly waitMs?: number
}

const everyMs = 50

export async function caughtUp(parts: CaughtUpParts, customers: readonly string[]): Promise<boolean> {
  const partitions = [...new Set(customers.map(one => partitionOf(one, parts.partitions)))]
  const accepted = await Promise.all(
    partitions.map(async partition => {
      const last = await readLastSequence(parts.jsm, 'METERING', natsSubjects.metering(partition))
      return { partition, last }
    }),
  )
  const deadlineMs = performance.now() + (parts.waitMs ?? 5_000)
  for (;;) {
    const has = await Promise.all(accepted.map(({ partition, last }) => hasAll(parts, partition, last)))
    if (has.every(one => one)) return true
    if (performance.now() >= deadlineMs) return false
    await sleep(everyMs)
  }
}

async function hasAll(
  { jsm, sinks, feed }: CaughtUpParts,
  partition: number,
  last: number,
): Promise<boolean> {
  const stored = await readCheckpoint(jsm, partition)
  if (stored === undefined) return last === 0
  if (stored.checkpoint.positions.METERING.seq < last) return false
  const end = stored.seq + stored.checkpoint.messages.length
  const position = await recordedPosition(sinks, feed.key)
  const { stream, filterSubjects } = feed
  return position >= end || (await isCovered({ jsm, stream, filterSubjects }, position, end))
}
