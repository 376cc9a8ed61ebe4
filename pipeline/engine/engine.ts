// The options, telemetry and status of an engine: what a partition and the rest of the process share.

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
  /** The commits of this process, for its deliverer. */
  readonly recent: RecentCommits
  readonly underWay: CommitsUnderWay
  readonly memory: SharedMemory
  readonly log: EngineLog
  readonly telemetry?: EngineTelemetry
  /** The partition has stopped for good; `code` says why and the message what to do. */
  readonly onFatal: (failure: PartitionFailure) => void
  /** Claim at the start without asking whether somebody else works on the partition. Default false. */
  readonly takeOver?: boolean
  /** While this returns true no usage is read, because delivery is too far behind the ledger. */
  readonly holdsBack?: () => boolean
}

/** The part of pino's loggers that the engines use. */
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
  /** Totals of the partition since its beginning. */
  readonly counters: DispositionCounts
  /** Events received with this commit. */
  readonly events: number
  /** Sequence of its last message in LEDGER. */
  readonly lastSeq: number
  /** Time from publishing to the broker's answer. */
  readonly seconds: number
  /** When the oldest usage in it came to the broker; undefined when there was none. */
  readonly arrivedAtMs: number | undefined
  readonly sealedRuns: readonly string[]
}

/** `fenced`: another process works on the partition; this engine stands by. */
export type EngineState = 'claiming' | 'restoring' | 'running' | 'fenced' | 'stopped' | 'failed'

export interface EngineStatus {
  readonly partition: number
  readonly state: EngineState
  readonly epoch: number
  readonly commit: number
  /** Messages that wait in the streams. */
  readonly lag: { readonly metering: number; readonly lifecycle: number; readonly catalog: number }
  /** When the oldest input that waits came to the broker; undefined: none waits, or none was read yet. */
  readonly oldestWaitingAtMs: number | undefined
  readonly heldBytes: number
  readonly lastCommitAtMs: number | undefined
  /** Since when a commit waits for the broker's answer. */
  readonly committingSinceMs: number | undefined
  /** Since when this state lasts. */
  readonly stateSinceMs: number
  /** The last trouble, while it is not over. */
  readonly trouble: string | undefined
  /** Undefined until the partition is claimed. */
  readonly positions: Positions | undefined
  readonly counters: DispositionCounts | undefined
  readonly failure: { readonly code: PartitionFailureCode; readonly detail: string } | undefined
}
