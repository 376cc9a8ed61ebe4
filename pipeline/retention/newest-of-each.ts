// What may go of a stream of which only the newest message of a subject counts (WRITE_BACK), and its purge.
// Invariants:
// 1. The newest message of a subject stays: it says what was told last, and a connection that begins later is told of it.
// 2. What a connection of the configuration has not taken in stays, and what one that is not in it any more had begun.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { streamInfo } from '../broker/topology.js'
import { decodeRecord } from '../deliver/delivery-record.js'
import type { Feed } from '../deliver/feed.js'

export interface Bound {
  readonly before: number
  readonly heldBy: string
}

interface Readers {
  readonly jsm: JetStreamManager
  /** The bucket `weir_sinks`. */
  readonly sinks: KV
  readonly feeds: readonly Feed[]
}

/** Subjects of which the messages are purged at the same time. */
const atOnce = 16

export async function connectionBounds(
  { jsm, sinks, feeds }: Readers,
  stream: string,
): Promise<readonly Bound[]> {
  const configured = feeds.filter(feed => feed.stream === stream).map(({ key }) => key)
  const bounds = new Map<string, Bound>(
    configured.map(key => [key, { before: 1, heldBy: `sink ${key}` }]), // none recorded: it needs all
  )
  const created = String((await streamInfo(jsm, stream))?.created)
  for await (const key of await sinks.keys('connection.>')) {
    const entry = await sinks.get(key)
    const record = entry?.operation === 'PUT' ? decodeRecord(entry.value) : undefined
    if (record?.streamCreated !== created) continue
    const before = configured.includes(key) ? record.position + 1 : record.intent?.from
    if (before !== undefined) bounds.set(key, { before, heldBy: `sink ${key}` })
  }
  return [...bounds.values()]
}

/** Purges what lies before a sequence, but for the newest message of each subject; answers how many. */
export async function purgeButNewest(
  jsm: JetStreamManager,
  stream: string,
  _filter: string | undefined,
  before: number,
): Promise<number> {
  const { state } = await jsm.streams.info(stream, { subjects_filter: '>' })
  const several = Object.entries(state.subjects ?? {}).filter(([, count]) => count > 1)
  let purged = 0
  for (let from = 0; from < several.length; from += atOnce) {
    const counts = several
      .slice(from, from + atOnce)
      .map(([subject]) => purgeOlder(jsm, stream, subject, before))
    for (const count of await Promise.all(counts)) purged += count
  }
  return purged
}

async function purgeOlder(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  before: number,
): Promise<number> {
  const newest = await jsm.streams.getMessage(stream, { last_by_subj: subject })
  const seq = Math.min(before, newest?.seq ?? 1) // invariant 1
  return seq <= 1 ? 0 : (await jsm.streams.purge(stream, { filter: subject, seq })).purged
}
