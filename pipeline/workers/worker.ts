// The worker thread: holds the state of its partitions and computes. No clock, no I/O; bytes in, bytes out.
//
// Invariant: a state in which `process` threw is dropped, since it may be half-way between two commits. The next call
// fails because the partition is not open, and the engine opens it from the ledger.

import { figuresOfOutputs } from '../../schemas/rows/row-figures.js'
import { PartitionCore } from '../core/core.js'
import type { CoreConfig } from '../core/ports/core-io.js'
import { DedupeTable } from '../core/state/dedupe-table.js'
import { daysKept } from '../core/state/partition-state.js'
import { LentBuffers } from '../memory/shared-memory.js'
import { transfer } from '../memory/transfer.js'
import {
  bufferOf,
  isShared,
  type LoadTask,
  type Opened,
  type OpenTask,
  owned,
  type PartitionTask,
  type ProcessAnswer,
  type Processed,
  type ProcessTask,
  unpackMessages,
} from './protocol.js'

const cores = new Map<number, PartitionCore>()

/** Tables that are being filled, until their partition is opened. */
const loading = new Map<number, { readonly table: DedupeTable; segments: number }>()

export function load({ config, index, entries, bytesInAll }: LoadTask): void {
  cores.delete(config.partition) // two states of one partition are never held
  if (index === 0) {
    const table = tableFor(config)
    table.reserve(bytesInAll)
    loading.set(config.partition, { table, segments: 0 })
  }
  const loaded = loading.get(config.partition)
  if (loaded?.segments !== index) throw new Error(`the segments before ${index} are not in this worker`)
  loaded.table.load(entries)
  loaded.segments += 1
}

export function open({ config, snapshot, deltas, segments = 0 }: OpenTask): Opened {
  cores.delete(config.partition)
  const loaded = segments === 0 ? undefined : loading.get(config.partition)
  loading.delete(config.partition)
  if ((loaded?.segments ?? 0) !== segments) throw new Error(`not all ${segments} segments are in this worker`)
  const core = PartitionCore.restore(config, snapshot, deltas, undefined, loaded?.table ?? tableFor(config))
  cores.set(config.partition, core)
  return {
    historyRequests: core.openHistoryRequests(),
    handovers: core.openHandovers(),
    holdsCustomers: core.holdsCustomers(),
  }
}

export function process({ partition, input, lent }: ProcessTask): unknown {
  const core = coreOf(partition)
  cores.delete(partition)
  const buffers = new LentBuffers(lent)
  const output = core.process({
    nowMs: input.nowMs,
    commit: input.commit,
    catalog: unpackMessages(input.catalog),
    lifecycle: unpackMessages(input.lifecycle),
    metering: unpackMessages(input.metering),
    orders: input.orders,
    history: input.history,
    ...(input.handedOver === undefined ? {} : { handedOver: input.handedOver }),
    memory: length => buffers.take(length),
  })
  cores.set(partition, core) // it did not throw
  const delta = owned(output.delta)
  const outputs = output.outputs.map(one => (isShared(one.bytes) ? one : { ...one, bytes: owned(one.bytes) }))
  const figures = figuresOfOutputs(outputs)
  const processed: Processed = { ...output, delta, outputs, figures, holdsCustomers: core.holdsCustomers() }
  const answer: ProcessAnswer = { processed, unused: buffers.unused }
  const given = [delta, ...outputs.map(({ bytes }) => bytes)].filter(bytes => !isShared(bytes))
  return transfer(answer, given.map(bufferOf))
}

export function snapshot({ partition }: PartitionTask): unknown {
  const taken = coreOf(partition).takeSnapshot()
  const state = taken.state.map(owned)
  const pieces = taken.dedupe.pieces.map(owned)
  return transfer({ state, dedupe: { ...taken.dedupe, pieces } }, [...state, ...pieces].map(bufferOf))
}

export function close({ partition }: PartitionTask): void {
  cores.delete(partition)
  loading.delete(partition)
}

function tableFor({ limits }: CoreConfig): DedupeTable {
  return new DedupeTable(daysKept(limits.dedupeHorizonMs), { segments: true })
}

function coreOf(partition: number): PartitionCore {
  const core = cores.get(partition)
  if (core === undefined) throw new Error(`partition ${partition} is not open in this worker`)
  return core
}
