// The type of a feature: a plain object with its feeds, routes and schema, listed in pipeline/features.ts. A
// feature knows no other feature and no composition root; it gets what it needs as parameters.
//
// Beside it a feature may have `commands.ts`, its commands on the command line, and `settings.ts`, its
// section of the configuration file. Those are loaded by every command, so they load nothing heavy.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { FieldRule, FieldRules } from '../../schemas/personal-data/field-rules.js'
import type { ClickHouseConfig } from '../../sinks/clickhouse/config.js'
import type { CustomerIds } from '../../sinks/customer-ids.js'
import type { Sink } from '../../sinks/sink.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import type { WeirConfig } from '../config/config.js'
import type { DeliverLimits } from '../deliver/deliver-limits.js'
import type { DeliveryStatus } from '../deliver/delivery-status.js'
import { type Feed, feedStreams } from '../deliver/feed.js'
import type { FlowGate } from '../deliver/flow-gate.js'
import type { StatusGates } from '../deliver/status-gates.js'
import type { HistorySource } from '../engine/history-desk.js'
import type { ApprovalGate } from '../gateway/approval-gate.js'
import type { PublishingTrail } from '../gateway/audit-trail.js'
import type { EventProtection } from '../gateway/event-protection.js'
import type { EventTaker } from '../gateway/event-taker.js'
import type { ApiRoute } from '../gateway/route.js'
import type { JobDesk } from '../jobs/job-desk.js'
import type { JobKind } from '../jobs/job-kind.js'
import type { Shadows } from '../shadow/shadows.js'
import type { IdentityLookup } from './identity-lookup.js'
import type { OpenBilling } from './open-billing.js'
import type { OpenExceptions } from './open-exceptions.js'

export interface Buckets {
  readonly sinks: KV
  readonly runs: KV
  readonly keys: KV
  readonly jobs: KV
  readonly identities: KV
  readonly tokens: KV
  readonly arrivals: KV
  readonly taxes: KV
}

/** The parts of the process that every feature gets. */
export interface FeatureParts {
  readonly config: WeirConfig
  readonly log: Logger
  readonly nc: NatsConnection
  /** The broker's transport for NATS atomic batches, snapshots and inputs. */
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The key-value buckets `weir_sinks`, `weir_runs` and so on. */
  readonly buckets: Buckets
  /** The ids that other systems have for our customers. */
  readonly customerIds: CustomerIds
  /** What billing has still to do. */
  readonly openBilling: OpenBilling
  /** What failed and waits for somebody. */
  readonly openExceptions: OpenExceptions
  /** Ours for an id that another system has. */
  readonly identities: IdentityLookup
  /** Creates and changes jobs of any kind. */
  readonly jobs: JobDesk
  readonly clickhouse: ClickHouseConfig
  /** The client for queries; its database is Weir's. */
  readonly queries: ClickHouseClient
  /** Where every act of a person, a key or the process is recorded, before it takes effect. */
  readonly audit: PublishingTrail
  /** Asked before anything goes out that a rule may hold for a second person. */
  readonly approvals: ApprovalGate
  /** The metrics of the process. */
  readonly registry: Registry
  /** Asked before anything leaves (pipeline/deliver/flow-gate.ts). */
  readonly flow: FlowGate
  /** What the checks of customers hold back (pipeline/deliver/status-gates.ts). */
  readonly gates: StatusGates
  /** Which fields of events are personal, by the configuration. */
  readonly personal: FieldRules
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
  /** Copies of partitions' states, on which a dry run tries what would come of something. */
  readonly shadows: Shadows
  /** How far each feed is in this process; empty before delivery has begun. */
  readonly feedStatus: () => readonly DeliveryStatus[]
  /** The partitions that have stopped, with the reason. */
  readonly stoppedPartitions: () => ReadonlyMap<number, string>
}

/** The parts of the process before any feature has brought one, and where the end of what is begun is added. */
export type EarlyParts = Omit<
  FeatureParts,
  'audit' | 'approvals' | 'flow' | 'gates' | 'customerIds' | 'openBilling' | 'openExceptions' | 'identities'
> & {
  readonly undo: (() => Promise<unknown>)[]
}

/** A feed and how its sink is made. */
export interface FeatureFeed extends Feed {
  openSink(parts: FeatureParts): Sink | Promise<Sink>
  /** The partitions take no usage while this feed is far behind, and hand it their commits from memory. */
  readonly isAwaited?: true
  /** Where nobody waits for it: fewer and larger ranges than usual. */
  readonly limits?: Partial<DeliverLimits>
}

export interface Feature {
  readonly name: string
  /** Brings the database to the schema of this program; answers what was applied now. */
  readonly migrate?: (clickhouse: ClickHouseConfig) => Promise<readonly string[]>
  /** The audit trail of all parts, made before anything is changed. One feature brings it. */
  readonly auditTrail?: (parts: EarlyParts) => Promise<PublishingTrail>
  /** The gate of approvals of all parts. One feature brings it. */
  readonly approvalGate?: (parts: EarlyParts & { readonly audit: PublishingTrail }) => Promise<ApprovalGate>
  /** The gate that holds back or lets out what leaves, made before delivery begins. One feature brings it. */
  readonly flowGate?: (parts: EarlyParts) => Promise<FlowGate>
  /** The gates of customers, made before delivery begins. One feature brings them. */
  readonly statusGates?: (parts: EarlyParts) => Promise<StatusGates>
  readonly feeds?: (config: WeirConfig) => readonly FeatureFeed[]
  /** What connections ask for the ids that other systems have for our customers. One feature brings it. */
  readonly customerIds?: (parts: EarlyParts) => CustomerIds
  /** What billing has still to do, for whoever closes books. One feature brings it. */
  readonly openBilling?: (parts: EarlyParts & Pick<FeatureParts, 'audit' | 'flow' | 'gates'>) => OpenBilling
  /** What failed and waits for somebody, for whoever tells other systems of it. One feature brings it. */
  readonly openExceptions?: (parts: EarlyParts & Pick<FeatureParts, 'gates'>) => OpenExceptions
  /** Which of ours another system means by its id. One feature brings it. */
  readonly identities?: (parts: EarlyParts) => IdentityLookup
  /** Called once, when everything else runs. `events` takes what a route makes of its request. */
  readonly routes?: (
    parts: FeatureParts,
    events: EventTaker,
  ) => readonly ApiRoute[] | Promise<readonly ApiRoute[]>
  /** What it does all the time, and the routes that belong to it. Called once, when everything else runs. */
  readonly work?: (parts: FeatureParts, events: EventTaker) => Promise<RunningWork>
  /** The kinds of long work that it does. */
  readonly jobs?: (parts: FeatureParts) => readonly JobKind[]
  /** What replaces personal values of events before they are kept. At most one feature brings it. */
  readonly protection?: {
    readonly open: (parts: FeatureParts) => EventProtection
    /** What no partition takes in the clear. */
    readonly personalFields: (config: WeirConfig) => readonly FieldRule[]
  }
  /** The source from which partitions read rated usage back. One feature brings it. */
  readonly history?: (parts: FeatureParts, awaited: AwaitedFeed) => HistorySource
}

export interface RunningWork {
  readonly routes: readonly ApiRoute[]
  /** Long work that needs what runs here. */
  readonly jobs?: readonly JobKind[]
  /** Called when the gateway listens. */
  start(): void
  /** Finishes what is in hand, and stops. */
  drain(): Promise<void>
}

/** The feed that the partitions wait for. */
export interface AwaitedFeed {
  /** Resolves when the sink has everything up to this sequence of LEDGER. */
  waitUntilDelivered(sequence: number, signal: AbortSignal): Promise<void>
}

/** The feeds of all features, those of a stream before those of the streams that it leads to. */
export function feedsOf(features: readonly Feature[], config: WeirConfig): readonly FeatureFeed[] {
  const feeds = features.flatMap(feature => feature.feeds?.(config) ?? [])
  return feedStreams.flatMap(stream => feeds.filter(feed => feed.stream === stream))
}
