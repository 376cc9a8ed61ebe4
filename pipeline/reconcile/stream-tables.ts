// Compares the tables that BILLING, POSTINGS, DELIVERIES, RESOLUTIONS and AUDIT feed with these streams: every message is read
// again and made into rows as the sink does, and the figures of both are compared.
// Invariant: each stream is read once for all of its tables, and memory holds one chunk of its messages.

import { addFigures, noFigures } from '../../schemas/rows/row-figures.js'
import { type StreamTable, streamTables } from '../../sinks/clickhouse/stream-tables.js'
import { recordedPosition } from '../deliver/delivered.js'
import { type Feed, feedOf } from '../deliver/feed.js'
import type { Check } from './report.js'
import { chunksOf } from './stream-chunks.js'
import {
  figuresOfInserts,
  StreamComparison,
  type StreamSource,
  type Stretch,
  stretchOf,
} from './stream-comparison.js'

/** One feed after another. */
export async function checkStreamTables(source: StreamSource): Promise<Check[]> {
  const checks: Check[] = []
  for (const key of new Set(streamTables.map(one => one.feed))) {
    const ofFeed = streamTables.filter(one => one.feed === key)
    checks.push(...(await checkFeed(source, feedOf(source.feeds, key), ofFeed)))
  }
  return checks
}

async function checkFeed(
  source: StreamSource,
  feed: Feed,
  ofFeed: readonly StreamTable[],
): Promise<readonly Check[]> {
  const comparisons = ofFeed.map(one => new StreamComparison(source, feed, one))
  let [until, last] = [0, 0]
  try {
    until = await recordedPosition(source.sinks, feed.key)
    const { first_seq: from } = (await source.jsm.streams.info(feed.stream)).state
    for (const one of comparisons) await one.readRows({ from, until })
    const { state } = await source.jsm.streams.info(feed.stream) // read after the rows were
    if (state.first_seq !== from) return checkFeed(source, feed, ofFeed) // messages were purged meanwhile
    last = state.last_seq
    for await (const stretch of stretchesOf(source, feed, ofFeed, { from, until }))
      for (const one of comparisons) await one.compare(stretch)
  } catch (error) {
    for (const one of comparisons) one.failed(error)
  }
  return comparisons.map(one => one.checked(until, last))
}

/** Those that have messages, with the figures of their rows. */
async function* stretchesOf(
  source: StreamSource,
  feed: Feed,
  ofFeed: readonly StreamTable[],
  { from, until }: { readonly from: number; readonly until: number },
): AsyncGenerator<Stretch> {
  let open: Stretch | undefined
  for await (const chunk of chunksOf(source, feed, from, until, stretchOf)) {
    const number = stretchOf(chunk[0]!)
    if (open !== undefined && open.number !== number) yield open
    if (open?.number !== number) open = { number, messages: 0, figures: new Map() }
    open.messages += chunk.length
    const read = ofFeed[0]!.rowsOf(chunk) // a feed has one way to make rows
    for (const one of ofFeed) {
      const { name } = one.table
      open.figures.set(name, addFigures(open.figures.get(name) ?? noFigures, figuresOfInserts(one, read)))
    }
  }
  if (open !== undefined) yield open
}
