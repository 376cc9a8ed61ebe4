// The worker threads: one Piscina pool of one thread per worker, because a partition's state lives in one thread and every
// call for the partition must reach that thread.
//
// Invariants:
// 1. Partition p is always worked on by worker p mod n.
// 2. Calls for one partition run in the order in which they were made.
// 3. A thread that dies takes the state of its partitions with it: their next call fails, and they are opened again
//    in the thread that Piscina starts instead.

import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import { builtFile } from '../../schemas/package-root.js'
import type { SharedMemory } from '../memory/shared-memory.js'
import {
  bufferOf,
  inputBuffers,
  isShared,
  type LoadTask,
  type Opened,
  type OpenTask,
  owned,
  type PackedInput,
  type PartitionWorker,
  type ProcessAnswer,
  type Processed,
  type ProcessTask,
  type StateSnapshot,
} from './protocol.js'

export interface WorkerPoolOptions {
  readonly workers: number
  readonly memory: SharedMemory
  /** Told of a thread that died. Its partitions restore themselves. */
  readonly onCrash?: (worker: number, error: Error) => void
}

/** worker.ts with its imports in one file, made by `npm run build`: a thread starts from it in less than half the time. */
const workerFile = 'pipeline/workers/worker.bundle.js'

export class WorkerPool {
  readonly #threads: readonly Piscina[]
  readonly #memory: SharedMemory

  constructor(options: WorkerPoolOptions) {
    this.#memory = options.memory
    this.#threads = Array.from({ length: options.workers }, (_, worker) => {
      const thread = new Piscina({
        filename: fileURLToPath(builtFile(workerFile)),
        minThreads: 1,
        maxThreads: 1,
        recordTiming: false,
      })
      thread.on('error', (error: Error) => options.onCrash?.(worker, error))
      return thread
    })
  }

  get workers(): number {
    return this.#threads.length
  }

  /** The partition's worker, as the engine uses it. */
  partition(partition: number): PartitionWorker {
    const thread = this.#threads[partition % this.#threads.length]! // invariant 1
    return new PooledPartition(thread, partition, this.#memory)
  }

  /** Lets what is running end, within Piscina's time-out, and ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.close()))
  }

  /** Ends the threads at once. */
  async abort(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.destroy()))
  }
}

class PooledPartition implements PartitionWorker {
  readonly #thread: Piscina
  readonly #partition: number
  readonly #memory: SharedMemory
  /** Lengths of the rated usage of the last call: the next call is lent as much. */
  #lastLengths: readonly number[] = []

  constructor(thread: Piscina, partition: number, memory: SharedMemory) {
    this.#thread = thread
    this.#memory = memory
    this.#partition = partition
  }

  async load(task: LoadTask): Promise<void> {
    const entries = owned(task.entries)
    await this.#thread.run({ ...task, entries }, { name: 'load', transferList: [bufferOf(entries)] })
  }

  async open(task: OpenTask): Promise<Opened> {
    const snapshot = task.snapshot === undefined ? undefined : owned(task.snapshot)
    const deltas = task.deltas.map(owned)
    const transferList = [...(snapshot === undefined ? [] : [snapshot]), ...deltas].map(bufferOf)
    return (await this.#thread.run({ ...task, snapshot, deltas }, { name: 'open', transferList })) as Opened
  }

  async process(input: PackedInput): Promise<Processed> {
    const lent = this.#lastLengths.map(length => this.#memory.handOver(length))
    const task: ProcessTask = { partition: this.#partition, input, lent }
    const options = { name: 'process', transferList: inputBuffers(input) }
    const { processed, unused } = (await this.#thread.run(task, options)) as ProcessAnswer
    for (const buffer of unused) this.#memory.giveBuffer(buffer)
    const shared = processed.outputs.map(({ bytes }) => bytes).filter(isShared)
    for (const bytes of shared) this.#memory.adopt(bytes)
    this.#lastLengths = shared.map(({ length }) => length)
    return processed
  }

  async snapshot(): Promise<StateSnapshot> {
    return (await this.#thread.run({ partition: this.#partition }, { name: 'snapshot' })) as StateSnapshot
  }

  async close(): Promise<void> {
    await this.#thread.run({ partition: this.#partition }, { name: 'close' })
  }
}
