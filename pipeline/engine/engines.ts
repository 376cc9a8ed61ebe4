// All partitions of this process: one engine each, over one pool of workers and one connection.
// Invariant: each stops and fails alone; starting, draining and aborting reach all of them.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { BulkTransport } from '../broker/bulk-transport.js'
import type { PipelineLimits } from '../config/limits.js'
import type { CommitsUnderWay } from '../ledger/commits-under-way.js'
import { PartitionFailure } from '../ledger/failures.js'
import type { RecentCommits } from '../ledger/recent-commits.js'
import type { SharedMemory } from '../memory/shared-memory.js'
import type { WorkerPool } from '../workers/pool.js'
import type { EngineLog, EngineStatus, EngineTelemetry } from './engine.js'
import type { HistorySource } from './history-desk.js'
import { PartitionEngine } from './partition-engine.js'

export interface EnginesOptions {
  readonly partitions: number
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  readonly pool: WorkerPool
  readonly limits: PipelineLimits
  readonly history: HistorySource
  /** The commits of this process, for its deliverer. */
  readonly recent: RecentCommits
  readonly underWay: CommitsUnderWay
  readonly memory: SharedMemory
  readonly log: EngineLog
  readonly telemetry?: EngineTelemetry
  /** One partition has stopped for good; the others go on. */
  readonly onFatal: (partition: number, failure: PartitionFailure) => void
  readonly takeOver?: boolean
  /** While this returns true no usage is read, because delivery is too far behind the ledger. */
  readonly holdsBack?: () => boolean
}

export class Engines {
  readonly #engines: readonly PartitionEngine[]

  constructor(options: EnginesOptions) {
    const { pool, onFatal, ...shared } = options
    this.#engines = Array.from(
      { length: options.partitions },
      (_, partition) =>
        new PartitionEngine({
          ...shared,
          partition,
          worker: pool.partition(partition),
          onFatal: failure => onFatal(partition, failure),
        }),
    )
  }

  /** Resolves when each partition runs, stands by, or has failed; failures go to `onFatal`. */
  async start(): Promise<void> {
    const started = await Promise.allSettled(this.#engines.map(engine => engine.start()))
    for (const result of started) {
      if (result.status === 'rejected' && !(result.reason instanceof PartitionFailure)) throw result.reason
    }
  }

  async drain(): Promise<void> {
    await Promise.all(this.#engines.map(engine => engine.drain()))
  }

  async close(): Promise<void> {
    await Promise.all(this.#engines.map(engine => engine.close()))
  }

  async abort(): Promise<void> {
    await Promise.all(this.#engines.map(engine => engine.abort()))
  }

  status(): readonly EngineStatus[] {
    return this.#engines.map(engine => engine.status())
  }
}
