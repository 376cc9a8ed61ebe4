// A feed: which messages of which stream go to which sink, and under which key its position is kept. Features bring the
// feeds; the roots hand the list of all of them to whoever asks how far each is.

import type { ConnectorRecord } from '../../sinks/connector.js'
import type { FeedMessage, RefusedRecord } from '../../sinks/sink.js'

/** A feed of single records: which message holds which of them. */
export interface RecordFeed {
  readonly connection: string
  readonly recordsOf: (message: FeedMessage) => TakenIn
}

export interface TakenIn {
  readonly records: readonly ConnectorRecord[]
  /** The message, when it makes no record. */
  readonly refused?: RefusedRecord
}

export interface Feed {
  /** Key in the bucket `weir_sinks`: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly stream: FeedStream
  readonly filterSubjects: readonly string[]
  readonly ofRecords?: RecordFeed
}

/** In the order in which they depend on one another: what a stream's feeds write may lie in the next stream. */
export const feedStreams = ['LEDGER', 'BILLING', 'POSTINGS', 'DELIVERIES'] as const
export type FeedStream = (typeof feedStreams)[number]

/** Throws when there is no feed of that key: that is a bug of whoever lists the feeds. */
export function feedOf<F extends Feed>(feeds: readonly F[], key: string): F {
  const found = feeds.find(feed => feed.key === key)
  if (found === undefined) throw new Error(`there is no feed ${key}`)
  return found
}
