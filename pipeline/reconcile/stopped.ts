// Reports stopped partitions: their events are neither processed nor compared.

import type { JetStreamManager } from '@nats-io/jetstream'
import { readPartitions } from './lag.js'
import { type Check, checkOf } from './report.js'

/** `stopped` comes from the process that runs the partitions, and gives the reasons. */
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
