// Pausing, resuming and listing sinks, from any process: the flag lives in the bucket `weir_sinks`.
// A pause holds for every feed of the sink, across restarts, from the next range on; the attempt in hand ends first.

import type { KV } from '@nats-io/kv'
import { isWrongRevision } from './delivery-lease.js'
import { type DeliveryRecord, decodeRecord, encodeRecord } from './delivery-record.js'

export interface RecordedFeed extends DeliveryRecord {
  readonly key: string
  readonly revision: number
}

/** Every feed that has ever been delivered, by key. */
export async function listFeeds(kv: KV): Promise<RecordedFeed[]> {
  const feeds: RecordedFeed[] = []
  for await (const key of await kv.keys()) {
    const feed = key.startsWith('refused.') ? undefined : await readFeedRecord(kv, key)
    if (feed !== undefined) feeds.push(feed)
  }
  return feeds.sort((a, b) => (a.key < b.key ? -1 : 1))
}

/** Sets the flag on every feed of the sink; the keys of those, none when there is no such sink. */
export async function setPaused(kv: KV, sink: string, paused: boolean): Promise<string[]> {
  const feeds = (await listFeeds(kv)).filter(feed => feed.key === sink || feed.key.startsWith(`${sink}.`))
  for (const { key } of feeds) await setFeedPaused(kv, key, paused)
  return feeds.map(feed => feed.key)
}

async function setFeedPaused(kv: KV, key: string, paused: boolean): Promise<void> {
  for (;;) {
    const feed = await readFeedRecord(kv, key)
    if (feed === undefined || feed.paused === paused) return
    try {
      await kv.update(key, encodeRecord({ ...feed, paused }), feed.revision)
      return
    } catch (error) {
      if (!isWrongRevision(error)) throw error // else the deliverer wrote in between: read again
    }
  }
}

async function readFeedRecord(kv: KV, key: string): Promise<RecordedFeed | undefined> {
  const entry = await kv.get(key)
  const record = entry === null ? undefined : decodeRecord(entry.value)
  return entry === null || record === undefined ? undefined : { ...record, key, revision: entry.revision }
}
