// Reads a feed of LEDGER where it is nearest: from the tail that this process keeps of its own commits, else from the
// stream. To the range cutter it is one reading.
//
// Invariants:
// 1. Sequences decide: every message of the feed is handed out once and in the order of the stream, whichever way it
//    came. From the tail only what begins exactly where the reading is; a gap is passed only when the stream's leader
//    says that nothing of this feed lies in it.
// 2. While the tail is quiet the stream is asked now and then whether somebody else has written to it; then it is read.

import { pauseFor } from '../broker/back-off.js'
import type { LedgerTail, StoredMessages } from '../ledger/ledger-tail.js'
import type { DeliverLimits } from './deliver-limits.js'
import { isCovered } from './delivered.js'
import { type FeedSource, type ReadMessage, readFeed } from './read-feed.js'

type ReadLimits = Pick<DeliverLimits, 'pullBytes' | 'pullExpiresMs' | 'idleHeartbeatMs'>

/** How long the tail may be quiet before the stream is asked. */
const quietMs = 1_000
/** How long a commit that the broker stored earlier may be reported later. */
const outOfTurnMs = 50

/** Everything from `fromSequence` on, for as long as the caller iterates. Throws when the reading is interrupted. */
export async function* readLedger(
  source: FeedSource,
  tail: LedgerTail,
  fromSequence: number,
  limits: ReadLimits,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void, undefined> {
  const matches = matcherOf(source.filterSubjects)
  const leave = tail.open()
  let next = fromSequence
  try {
    while (!signal.aborted) {
      for await (const message of untilTail(source, tail, next, limits, signal)) {
        next = message.sequence + 1
        yield message
        if (tail.has(next)) break
      }
      for (;;) {
        const at = await whereTailGoesOn(source, tail, next, signal)
        const stored = at === undefined ? undefined : tail.take(at)
        if (stored === undefined) break
        yield* messagesOf(stored, next, matches, tail.count)
        next = stored.lastSeq + 1
      }
    }
  } finally {
    leave()
  }
}

/** From the stream, until the tail has what comes next; ended early where something was added while nothing came. */
async function* untilTail(
  source: FeedSource,
  tail: LedgerTail,
  fromSequence: number,
  limits: ReadLimits,
  signal: AbortSignal,
): AsyncGenerator<ReadMessage, void, undefined> {
  if (tail.has(fromSequence)) return
  const added = new AbortController()
  let atEnd = false
  const takeBack = tail.onAdd(() => {
    if (atEnd) added.abort()
  })
  // What was stored before this reading began is only in the stream; the first look at it tells whether there is more.
  const end = (await source.jsm.streams.info(source.stream)).state.last_seq
  atEnd = end < fromSequence || (await isCovered(source, fromSequence - 1, end))
  try {
    if (atEnd && tail.firstSeq !== undefined) return
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
 * Waits until the tail has `next`, or begins behind it with nothing of this feed between. Returns the sequence to take
 * there; undefined: ask the stream.
 */
async function whereTailGoesOn(
  source: FeedSource,
  tail: LedgerTail,
  next: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    if (tail.has(next)) return next
    tail.forget(next) // what was handed out from the stream
    const first = tail.firstSeq
    if (first === undefined) {
      if (await added(tail, quietMs, signal)) continue
      const { state } = await source.jsm.streams.info(source.stream)
      if (state.last_seq < next) continue
      if (!(await added(tail, outOfTurnMs, signal))) return undefined // invariant 2
    } else {
      await pauseFor(outOfTurnMs, signal)
      if (tail.has(next)) return next
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
    const { natsSubject, bytes } = messages[index]!
    if (!matches(natsSubject)) continue
    const pending = behind + messages.length - 1 - index
    yield { sequence: firstSeq + index, natsSubject, bytes, storedAtMs, pending }
  }
}

/** Whether something was added before the time was over. */
async function added(tail: LedgerTail, waitMs: number, signal: AbortSignal): Promise<boolean> {
  const woken = new AbortController()
  const takeBack = tail.onAdd(() => woken.abort())
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
