// The limits of the engine that runs a partition, and the relations between all limits, checked at start.
// The gateway, the delivery and the core keep their own limits in their folders.

import { type CoreLimits, defaultCoreLimits } from '../core/ports/core-limits.js'
import type { WeirConfig } from './config.js'

export interface EngineLimits {
  /** About how many events one commit takes; estimated from the mean size of earlier events. */
  readonly commitMaxEvents: number
  /** The most input that one commit takes. */
  readonly commitMaxBytes: number
  /** The commit interval, and so the longest that an event waits for others. */
  readonly lingerMs: number
  /** How long a single event waits, so that events sent together are committed together. */
  readonly settleMs: number
  /** Input that one reader holds ahead of the worker. */
  readonly prefetchBytes: number
  /** Bytes of one pull by one reader; a larger message is pulled alone. All readers share one connection. */
  readonly pullBytes: number
  readonly pullExpiresMs: number
  readonly idleHeartbeatMs: number
  /** Reading restarts after this many seconds without a message or heartbeat. */
  readonly silentTicks: number
  readonly consumerInactiveMs: number
  /** Messages of one NATS atomic batch; the server's own limit. */
  readonly batchMaxMessages: number
  /** State deltas are cut into chunks of this size. */
  readonly deltaChunkBytes: number
  /**
   * `max_payload` of the broker, read when it was connected: the client has no `info` while it is
   * disconnected.
   */
  readonly maxPayload: number
  /** Bytes of `maxPayload` that are reserved for the headers of a message. */
  readonly headerBytes: number
  /**
   * How long to wait for the broker's answer to a commit; after that the checkpoint shows whether it was
   * stored.
   */
  readonly commitTimeoutMs: number
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /**
   * A snapshot is taken when the deltas since the last one are larger than this and than that snapshot. Until
   * then memory holds their identities twice, and a restore reads the deltas, so all partitions of a process
   * share 64 MiB.
   */
  readonly snapshotDeltaBytes: number
  readonly snapshotCommits: number
  readonly snapshotChunkBytes: number
  /** The core is called at least this often, so that parked events time out. */
  readonly tickMs: number
  /** METERING is not read while more than this many bytes are held and a partition waits for history. */
  readonly heldPauseBytes: number
  /** When only positions have moved, a checkpoint is written once they have moved by this many sequences. */
  readonly idleCheckpointSequences: number
  /**
   * Time-out of one probe of a partition's owner, and how many unanswered probes mean that it has no owner.
   */
  readonly ownerProbeMs: number
  readonly ownerProbes: number
  /** How often a standby probes the owner. */
  readonly standbyMs: number
  /** After this many failures of the worker without a commit in between, the partition stops. */
  readonly maxFailures: number
  readonly drainMs: number
}

const mib = 1 << 20

export const defaultEngineLimits: EngineLimits = {
  maxPayload: 8 * mib,
  commitMaxEvents: 50_000,
  commitMaxBytes: 16 * mib,
  lingerMs: 200,
  settleMs: 10,
  prefetchBytes: 16 * mib,
  pullBytes: 4 * mib,
  pullExpiresMs: 5_000,
  idleHeartbeatMs: 1_000,
  silentTicks: 4,
  consumerInactiveMs: 60_000,
  batchMaxMessages: 1_000,
  deltaChunkBytes: mib,
  headerBytes: 16 * 1024,
  commitTimeoutMs: 10_000,
  retryMinMs: 50,
  retryMaxMs: 5_000,
  snapshotDeltaBytes: 64 * mib,
  snapshotCommits: 10_000,
  snapshotChunkBytes: mib,
  tickMs: 60_000,
  heldPauseBytes: 32 * mib,
  idleCheckpointSequences: 10_000,
  ownerProbeMs: 1_000,
  ownerProbes: 3,
  standbyMs: 2_000,
  maxFailures: 5,
  drainMs: 20_000,
}

/** Deltas smaller than this are not worth a snapshot. */
const leastSnapshotDeltaBytes = 8 * mib
/**
 * Bytes that all readers of one connection may have requested at once: half of the server's `max_pending`.
 */
const connectionPullBytes = 32 * mib
/** NATS atomic batches to `LEDGER` under way at once. The server allows 50, abandoned ones included. */
const mostPartitions = 32

export interface PipelineLimits {
  readonly engine: EngineLimits
  readonly core: CoreLimits
}

export interface LimitOverrides {
  readonly engine?: Partial<EngineLimits>
  readonly core?: Partial<CoreLimits>
}

export interface LimitSurroundings {
  /** The most partitions that this process may run. */
  readonly partitions: number
  /** Bytes that the broker accepts in one message: `nc.info.max_payload`. Chunks are cut to fit into it. */
  readonly maxPayload: number
}

/** Throws when the limits contradict each other. */
export function pipelineLimits(around: LimitSurroundings, overrides: LimitOverrides = {}): PipelineLimits {
  const { partitions, maxPayload } = around
  // The row that makes a chunk too large also closes it, so half of the payload is reserved for that row.
  // Larger chunks cost more: the broker takes twice the time per byte for a message of 4 MiB as for one of 1
  // MiB.
  const chunkBytes = Math.min(mib, Math.floor((maxPayload - defaultEngineLimits.headerBytes) / 2))
  const engine: EngineLimits = {
    ...defaultEngineLimits,
    maxPayload,
    pullBytes: Math.min(defaultEngineLimits.pullBytes, Math.floor(connectionPullBytes / partitions)),
    deltaChunkBytes: chunkBytes,
    snapshotDeltaBytes: Math.max(
      leastSnapshotDeltaBytes,
      Math.floor(defaultEngineLimits.snapshotDeltaBytes / partitions),
    ),
    snapshotChunkBytes: Math.min(mib, chunkBytes),
    ...overrides.engine,
  }
  const chunks = { outputChunkBytes: chunkBytes, outputChunkRows: 65_536 }
  const limits = { engine, core: { ...defaultCoreLimits, ...chunks, ...overrides.core } }
  assertLimits(limits, around)
  return limits
}

const dayMs = 86_400_000

type LimitsConfig = Pick<
  WeirConfig,
  'partitions' | 'commit' | 'dedupeHorizonDays' | 'parkedTtlDays' | 'parkedBytes'
>

/** The limits that a configuration asks for. `maxPayload`: `nc.info.max_payload`. */
export function limitsOfConfig(
  config: LimitsConfig,
  maxPayload: number,
  personalFields: CoreLimits['personalFields'] = [],
): PipelineLimits {
  const { partitions, commit, dedupeHorizonDays, parkedTtlDays, parkedBytes } = config
  const engine = {
    commitMaxEvents: commit.maxEvents,
    lingerMs: commit.lingerMs,
    tickMs: tickOf(parkedTtlDays * dayMs, commit.lingerMs),
  }
  const core = {
    dedupeHorizonMs: dedupeHorizonDays * dayMs,
    parkedTtlMs: parkedTtlDays * dayMs,
    parkedBytes,
    personalFields,
  }
  return pipelineLimits({ partitions, maxPayload }, { engine, core })
}

const leastTickMs = 100

/**
 * The tick at which parked events time out at most a tenth of `parkedTtlMs` late, also when nothing arrives.
 */
function tickOf(parkedTtlMs: number, lingerMs: number): number {
  const tickMs = Math.min(defaultEngineLimits.tickMs, Math.floor(parkedTtlMs / 10))
  return Math.max(leastTickMs, lingerMs + 1, tickMs)
}

function assertLimits({ engine, core }: PipelineLimits, { partitions, maxPayload }: LimitSurroundings): void {
  const bodyBytes = maxPayload - engine.headerBytes
  const positive = Object.entries(engine).map(([name, value]): [boolean, string] => [
    value > 0 || name === 'lingerMs',
    `${name} must be above 0`,
  ])
  const relations: [boolean, string][] = [
    ...positive,
    [partitions >= 1 && partitions <= mostPartitions, `partitions must be 1 to ${mostPartitions}`],
    [
      engine.pullBytes * partitions <= connectionPullBytes,
      'the pulls of all partitions must fit the connection',
    ],
    [engine.prefetchBytes >= engine.pullBytes, 'prefetchBytes must hold a pull'],
    [engine.prefetchBytes >= engine.commitMaxBytes, 'prefetchBytes must hold a commit'],
    [engine.pullExpiresMs > 2 * engine.idleHeartbeatMs, 'two heartbeats must fit into a pull'],
    [engine.silentTicks * 1_000 > 2 * engine.idleHeartbeatMs, 'silence is longer than two heartbeats'],
    [engine.consumerInactiveMs > engine.pullExpiresMs, 'a consumer must outlive a pull'],
    [engine.retryMinMs <= engine.retryMaxMs, 'back-off grows'],
    [engine.batchMaxMessages <= 1_000, 'the server takes 1,000 messages a batch'],
    [
      engine.heldPauseBytes + engine.commitMaxBytes <= core.parkedBytes,
      'reading pauses before the held overflow',
    ],
    [engine.lingerMs < engine.tickMs, 'a commit lingers less than a tick'],
    [core.outputChunkBytes * 2 <= bodyBytes, 'an output chunk must fit twice into max_payload'],
    [engine.deltaChunkBytes <= bodyBytes, 'a delta chunk must fit into max_payload'],
    [engine.snapshotChunkBytes <= bodyBytes, 'a snapshot chunk must fit into max_payload'],
    [engine.standbyMs >= engine.ownerProbeMs, 'a standby asks no faster than it may be answered'],
  ]
  for (const [holds, relation] of relations) if (!holds) throw new Error(`pipeline limits: ${relation}`)
}
