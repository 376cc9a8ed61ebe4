// Reads a feed of LEDGER from the recent commits that this process keeps in memory, and from the stream where
// they have gaps. The range cutter sees one sequence of messages.
// Invariants:
// 1. Every message of the feed is handed out once and in the order of the stream. The recent commits are read
//    only from the sequence that comes next; a gap before them is passed over only when the stream's leader
//    says that it holds no message of this feed.
// 2. While no commit is added, the stream is asked now and then for messages of another process, and then
//    read.

import { pauseFor } from '../broker/back-off.js'
import type { RecentCommits, StoredMessages } from '../ledger/recent-commits.js'
import type { DeliverLimits } from './deliver-limits.js'
import { isCovered } from './delivered.js'
import { type FeedSource, type ReadMessage, readFeed } from './read-feed.js'

type ReadLimits = Pick<DeliverLimits, 'pullBytes' | 'pullExpiresMs' | 'idleHeartbeatMs'>

/** After this time without an added commit the stream is asked. */
const quietMs = 1_000
/** How long after a commit an earlier one in the stream may still be reported. */
const outOfTurnMs = 50

/** Everything from `fromSequence` on, for as long as the caller iterates. Throws when the reading is interrupted. */
export async function* readLedger(
  source: FeedSource,
  recent: RecentCommits,
  fromSequence: number,
  limits: ReadLimits,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void, undefined> {
  const matches = matcherOf(source.filterSubjects)
  const leave = recent.open()
  let next = fromSequence
  try {
    while (!signal.aborted) {
      for await (const message of untilRecent(source, recent, next, limits, signal)) {
        next = message.sequence + 1
        yield message
        if (recent.has(next)) break
      }
      for (;;) {
        const at = await whereRecentGoesOn(source, recent, next, signal)
        const stored = at === undefined ? undefined : recent.take(at)
        if (stored === undefined) break
        yield* messagesOf(stored, next, matches, recent.count)
        next = stored.lastSeq + 1
      }
    }
  } finally {
    leave()
  }
}

/** Reads the stream until the recent commits have the next sequence, or one is added at the stream's end. */
async function* untilRecent(
  source: FeedSource,
  recent: RecentCommits,
  fromSequence: number,
  limits: ReadLimits,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void, undefined> {
  if (recent.has(fromSequence)) return
  const added = new AbortController()
  let atEnd = false
  const takeBack = recent.onAdd(() => {
    if (atEnd) added.abort()
  })
  // Messages stored before this reading began are only in the stream: is it at its end for this feed?
  const end = (await source.jsm.streams.info(source.stream)).state.last_seq
  atEnd = end < fromSequence || (await isCovered(source, fromSequence - 1, end))
  try {
    if (atEnd && recent.firstSeq !== undefined) return
    for await (const message of readFeed(
      source,
      fromSequence,
      limits,
      AbortSignal.any([signal, added.signal]),
    )) {
      atEnd = message.pending === 0
      yield message
    }
  } finally {
    takeBack()
  }
}

/**
 * Waits until the recent commits have `next`, or begin after it with no message of this feed between. Returns
 * the sequence to take from them; undefined when the stream must be read.
 */
async function whereRecentGoesOn(
  source: FeedSource,
  recent: RecentCommits,
  next: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    if (recent.has(next)) return next
    recent.forget(next) // the stream's reading has handed out what lies before `next`
    const first = recent.firstSeq
    if (first === undefined) {
      if (await added(recent, quietMs, signal)) continue
      const { state } = await source.jsm.streams.info(source.stream)
      if (state.last_seq < next) continue
      if (!(await added(recent, outOfTurnMs, signal))) return undefined // invariant 2
    } else {
      await pauseFor(outOfTurnMs, signal)
      if (recent.has(next)) return next
      return (await isCovered(source, next - 1, first - 1)) ? first : undefined // invariant 1
    }
  }
  return undefined
}

function* messagesOf(
  { firstSeq, storedAtMs, messages }: StoredMessages,
  fromSequence: number,
  matches: (natsSubject: string) => boolean,
  behind: number,
): Generator<ReadMessage, void, undefined> {
  for (let index = Math.max(0, fromSequence - firstSeq); index < messages.length; index += 1) {
    const { natsSubject, bytes, headers } = messages[index]!
    if (!matches(natsSubject)) continue
    const pending = behind + messages.length - 1 - index
    const header = (name: string) => headers?.[name]
    yield { sequence: firstSeq + index, natsSubject, bytes, storedAtMs, pending, header }
  }
}

/** Waits for a commit to be added; false when the time was over first. */
async function added(recent: RecentCommits, waitMs: number, signal: AbortSignal): Promise<boolean> {
  const woken = new AbortController()
  const takeBack = recent.onAdd(() => woken.abort())
  await pauseFor(waitMs, AbortSignal.any([signal, woken.signal]))
  takeBack()
  return woken.signal.aborted
}

/** Whether one of the filters matches; `*` stands for one token, and `>` is not used in them. */
export function matcherOf(filterSubjects: readonly string[]): (natsSubject: string) => boolean {
  const filters = filterSubjects.map(filter => filter.split('.'))
  const known = new Map<string, boolean>()
  return natsSubject => {
    const before = known.get(natsSubject)
    if (before !== undefined) return before
    const tokens = natsSubject.split('.')
    const found = filters.some(
      filter =>
        filter.length === tokens.length && filter.every((token, i) => token === '*' || token === tokens[i]),
    )
    known.set(natsSubject, found)
    return found
  }
}
