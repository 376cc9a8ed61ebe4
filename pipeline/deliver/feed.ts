// A feed: which messages of which stream go to which sink, and the key of its position. Features bring feeds;
// the composition roots hand the list of all feeds to the parts that ask for their positions.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { Connector, ConnectorRecord } from '../../sinks/connector.js'
import type { CustomerIds } from '../../sinks/customer-ids.js'
import type { FeedMessage, RefusedRecord } from '../../sinks/sink.js'
import type { WeirConfig } from '../config/config.js'

/** A feed of single records for a connection: which records each message holds. */
export interface RecordFeed {
  readonly connection: string
  readonly rollout: Rollout
  readonly recordsOf: (message: FeedMessage) => TakenIn
  /** Another connector of the same settings, for reading what the receiver has. */
  readonly openConnector: (parts: ProcessParts) => Promise<Connector>
}

/** What every connector of the process is made with. */
export interface ProcessParts {
  readonly config: Pick<WeirConfig, 'folder' | 'variable'>
  readonly customerIds: CustomerIds
  /** The bucket `weir_tokens`. */
  readonly tokens: KV
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  readonly jsm: JetStreamManager
}

export interface TakenIn {
  readonly records: readonly ConnectorRecord[]
  /** The message itself, when no record can be made of it. */
  readonly refused?: RefusedRecord
}

export const rolloutModes = ['read_only', 'controlled', 'automatic'] as const
export const deliveryClasses = ['money', 'state', 'rest'] as const
export type DeliveryClass = (typeof deliveryClasses)[number]

/** How far a connection is let out: nothing, what the allow-list names, or everything. */
export interface Rollout {
  readonly mode: (typeof rolloutModes)[number]
  /** A record goes in `controlled` when its entity or its customer is named. */
  readonly allow: { readonly entities: readonly string[]; readonly customers: readonly string[] }
  /** In which step of an incident's end it goes on: money first, then state, then the rest. */
  readonly class: DeliveryClass
}

export interface Feed {
  /** Key in the bucket `weir_sinks`: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly stream: FeedStream
  readonly filterSubjects: readonly string[]
  readonly ofRecords?: RecordFeed
  /** Its sink writes outside Weir by itself, such as into a folder of CSV: in read-only mode it waits. */
  readonly leaves?: true
}

/** In the order of their dependence: the feeds of a stream may write to the next stream. */
export const feedStreams = [
  'LEDGER',
  'BILLING',
  'CONTROL',
  'POSTINGS',
  'DELIVERIES',
  'RESOLUTIONS',
  'ARRIVAL_OUTCOMES',
  'WRITE_BACK',
  'AUDIT',
] as const
export type FeedStream = (typeof feedStreams)[number]

/** Of each of its subjects the newest message alone counts. Older ones may go, so it may begin behind any position. */
export function isThinned(stream: string): boolean {
  return stream === 'WRITE_BACK'
}

/** Throws when there is no feed of that key, which is a bug in the list of feeds. */
export function feedOf<F extends Feed>(feeds: readonly F[], key: string): F {
  const found = feeds.find(feed => feed.key === key)
  if (found === undefined) throw new Error(`there is no feed ${key}`)
  return found
}
