// Reads the messages of a feed again, a chunk at a time.
// Invariant: a chunk has a few messages of half a megabyte, as billing batches are, or some hundred small ones.

import type { FeedMessage } from '../../sinks/sink.js'
import { defaultDeliverLimits, smallRanges } from '../deliver/deliver-limits.js'
import type { Feed } from '../deliver/feed.js'
import { type FeedSource, readFeed } from '../deliver/read-feed.js'

const mostMessages = 500
const mostBytes = 2 << 20
const limits = { ...defaultDeliverLimits, ...smallRanges }

/** Messages of a chunk have the same `groupOf`. */
export async function* chunksOf(
  { js, jsm }: Pick<FeedSource, 'js' | 'jsm'>,
  { stream, filterSubjects }: Feed,
  from: number,
  until: number,
  groupOf: (message: FeedMessage) => number = () => 0,
): AsyncGenerator<readonly FeedMessage[]> {
  if (from > until || from === 0) return
  let chunk: FeedMessage[] = []
  let bytes = 0
  const source = { js, jsm, stream, filterSubjects }
  for await (const message of readFeed(source, from, limits, new AbortController().signal)) {
    if (message.sequence > until) break
    const isFull = chunk.length >= mostMessages || bytes >= mostBytes
    if (chunk.length > 0 && (isFull || groupOf(chunk[0]!) !== groupOf(message))) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(message)
    bytes += message.bytes.byteLength
    if (message.sequence === until || message.pending === 0) break
  }
  if (chunk.length > 0) yield chunk
}
