// Whether a sink has everything up to a sequence, although the last message of its feed lies before it. The
// stream's leader is asked for the next message, so the answer is exact on a cluster too, where a consumer's
// count of pending messages may lag.

import type { KV } from '@nats-io/kv'
import { decodeRecord } from './delivery-record.js'
import type { FeedSource } from './read-feed.js'

/** True when no message of the feed lies behind `position` and up to `sequence`. */
export async function isCovered(
  source: Pick<FeedSource, 'jsm' | 'stream' | 'filterSubjects'>,
  position: number,
  sequence: number,
): Promise<boolean> {
  const nexts = await Promise.all(
    source.filterSubjects.map(subject => {
      // The library's type leaves `next_by_subj` out; the server has it since 2.8 and takes wildcards.
      const query = { seq: position + 1, next_by_subj: subject }
      return source.jsm.streams.getMessage(source.stream, query)
    }),
  )
  return nexts.every(next => next === null || next.seq > sequence)
}

/** The position that whichever process delivers has recorded; 0 before the first delivery. */
export async function recordedPosition(kv: KV, key: string): Promise<number> {
  const entry = await kv.get(key)
  return (entry === null ? undefined : decodeRecord(entry.value))?.position ?? 0
}
