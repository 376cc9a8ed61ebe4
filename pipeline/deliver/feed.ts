// A feed: which messages of which stream go to which sink, and the key of its position. Features bring feeds;
// the composition roots hand the list of all feeds to the parts that ask for their positions.

import type { ConnectorRecord } from '../../sinks/connector.js'
import type { FeedMessage, RefusedRecord } from '../../sinks/sink.js'

/** A feed of single records for a connection: which records each message holds. */
export interface RecordFeed {
  readonly connection: string
  readonly recordsOf: (message: FeedMessage) => TakenIn
}

export interface TakenIn {
  readonly records: readonly ConnectorRecord[]
  /** The message itself, when no record can be made of it. */
  readonly refused?: RefusedRecord
}

export interface Feed {
  /** Key in the bucket `weir_sinks`: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly stream: FeedStream
  readonly filterSubjects: readonly string[]
  readonly ofRecords?: RecordFeed
}

/** In the order of their dependence: the feeds of a stream may write to the next stream. */
export const feedStreams = ['LEDGER', 'BILLING', 'POSTINGS', 'DELIVERIES', 'RESOLUTIONS'] as const
export type FeedStream = (typeof feedStreams)[number]

/** Throws when there is no feed of that key, which is a bug in the list of feeds. */
export function feedOf<F extends Feed>(feeds: readonly F[], key: string): F {
  const found = feeds.find(feed => feed.key === key)
  if (found === undefined) throw new Error(`there is no feed ${key}`)
  return found
}
