// What an engine is given and what it shows: the border between a partition and the rest of the process.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { DispositionCounts } from '../../schemas/event/dispositions.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import type { PipelineLimits } from '../config/limits.js'
import type { Positions } from '../ledger/checkpoint.js'
import type { CommitsUnderWay } from '../ledger/commits-under-way.js'
import type { PartitionFailure, PartitionFailureCode } from '../ledger/failures.js'
import type { RecentCommits } from '../ledger/recent-commits.js'
import type { SharedMemory } from '../memory/shared-memory.js'
import type { PartitionWorker } from '../workers/protocol.js'
import type { HistorySource } from './history-desk.js'

export interface EngineOptions {
  readonly partition: number
  readonly partitions: number
  readonly nc: NatsConnection
  readonly bulk: BulkTransport
  readonly jsm: JetStreamManager
  readonly worker: PartitionWorker
  readonly limits: PipelineLimits
  readonly history: HistorySource
  /** What is committed here, for the deliverer in this process. */
  readonly recent: RecentCommits
  readonly underWay: CommitsUnderWay
  readonly memory: SharedMemory
  readonly log: EngineLog
  readonly telemetry?: EngineTelemetry
  /** The partition has stopped for good; `code` says why and the message what to do. */
  readonly onFatal: (failure: PartitionFailure) => void
  /** Claim at the start without asking whether somebody else works on the partition. Default false. */
  readonly takeOver?: boolean
  /** While it says so no usage is read: what comes after the ledger is too far behind. */
  readonly holdsBack?: () => boolean
}

/** What pino's loggers offer. */
export interface EngineLog {
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
}

export interface EngineTelemetry {
  committed?(commit: CommittedFacts): void
  interrupted?(partition: number, detail: string): void
  stateChanged?(partition: number, state: EngineState): void
}

export interface CommittedFacts {
  readonly partition: number
  readonly commit: number
  /** Cumulative. */
  readonly counters: DispositionCounts
  /** Received with this commit. */
  readonly events: number
  /** Of its last message in LEDGER. */
  readonly lastSeq: number
  /** From publishing to the broker's answer. */
  readonly seconds: number
  /** When the oldest usage in it came to the broker; undefined when there was none. */
  readonly arrivedAtMs: number | undefined
  readonly sealedRuns: readonly string[]
}

/** `fenced`: somebody else works on it; this engine stands by. */
export type EngineState = 'claiming' | 'restoring' | 'running' | 'fenced' | 'stopped' | 'failed'

export interface EngineStatus {
  readonly partition: number
  readonly state: EngineState
  readonly epoch: number
  readonly commit: number
  /** Messages that wait in the streams. */
  readonly lag: { readonly metering: number; readonly lifecycle: number; readonly catalog: number }
  readonly heldBytes: number
  readonly lastCommitAtMs: number | undefined
  /** Since when a commit waits for the broker's answer. */
  readonly committingSinceMs: number | undefined
  /** Since when this state lasts. */
  readonly stateSinceMs: number
  /** What last went wrong and is not over. */
  readonly trouble: string | undefined
  /** Undefined until the partition is claimed. */
  readonly positions: Positions | undefined
  readonly counters: DispositionCounts | undefined
  readonly failure: { readonly code: PartitionFailureCode; readonly detail: string } | undefined
}
