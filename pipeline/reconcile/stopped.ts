// Partitions that have stopped: what is theirs is neither processed nor compared, which a reconciliation has to say.

import type { JetStreamManager } from '@nats-io/jetstream'
import { readPartitions } from './lag.js'
import { type Check, checkOf } from './report.js'

/** `stopped`: as the process that works on them knows it, with the reason. */
export async function checkPartitions(
  jsm: JetStreamManager,
  stopped: ReadonlyMap<number, string>,
): Promise<Check> {
  const found = await readPartitions(jsm)
  const differences = found.flatMap(reading => {
    const { partition } = reading
    const why = stopped.get(partition) ?? (reading.kind === 'lost' ? reading.detail : undefined)
    if (why === undefined) return []
    const state = reading.kind === 'lost' ? reading.code : 'stopped'
    return [{ id: `partition ${partition}`, expected: 'works', found: state, detail: why }]
  })
  return checkOf('partitions', 'no partition has stopped', found.length, differences)
}
