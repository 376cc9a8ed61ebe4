// The worker thread: holds the state of its partitions and computes. No clock, no I/O; bytes in, bytes out.
//
// Invariant: a state in which `process` threw is dropped, since it may be half-way between two commits. Whoever asks
// again is told that the partition is not open, and opens it from the ledger.

import { PartitionCore } from '../partition/core.js'
import {
  bufferOf,
  type Opened,
  type OpenTask,
  owned,
  type PartitionTask,
  type Processed,
  type ProcessTask,
  unpackMessages,
} from './protocol.js'
import { transfer } from './transfer.js'

const cores = new Map<number, PartitionCore>()

export function open({ config, snapshot, deltas }: OpenTask): Opened {
  cores.delete(config.partition)
  const core = PartitionCore.restore(config, snapshot, deltas)
  cores.set(config.partition, core)
  return { historyRequests: core.openHistoryRequests(), holdsCustomers: core.holdsCustomers() }
}

export function process({ partition, input }: ProcessTask): unknown {
  const core = coreOf(partition)
  cores.delete(partition)
  const output = core.process({
    nowMs: input.nowMs,
    commit: input.commit,
    catalog: unpackMessages(input.catalog),
    lifecycle: unpackMessages(input.lifecycle),
    metering: unpackMessages(input.metering),
    orders: input.orders,
    history: input.history,
  })
  cores.set(partition, core) // it did not throw
  const delta = owned(output.delta)
  const outputs = output.outputs.map(({ table, bytes, rows }) => ({ table, bytes: owned(bytes), rows }))
  const processed: Processed = { ...output, delta, outputs, holdsCustomers: core.holdsCustomers() }
  return transfer(processed, [bufferOf(delta), ...outputs.map(({ bytes }) => bufferOf(bytes))])
}

export function snapshot({ partition }: PartitionTask): unknown {
  const bytes = owned(coreOf(partition).snapshot())
  return transfer(bytes, [bufferOf(bytes)])
}

export function close({ partition }: PartitionTask): void {
  cores.delete(partition)
}

function coreOf(partition: number): PartitionCore {
  const core = cores.get(partition)
  if (core === undefined) throw new Error(`partition ${partition} is not open in this worker`)
  return core
}
