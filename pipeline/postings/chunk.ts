// Cuts a billing batch into pieces that one atomic batch of the broker takes: entries, and what they defer, by day.
// Invariants: an entry and its releases are in one piece; pieces follow from lines, rules and limits alone.

import type { BillingBatch } from '../../schemas/billing/billing-batch.js'
import { type JournalEntry, journalToWire } from '../../schemas/billing/journal-entry.js'
import { type BookMessage, bookSubjects, messageOf } from './book.js'
import { type PostingRules, postingOf, type RefusedCharge, roundingOf } from './entries.js'

/** The broker takes 1,000 messages at once. */
const mostMessages = 900
/** Of the entries of one day, which are one message. A broker takes 1 MiB unless it is told otherwise. */
const mostBytesOfDay = 500_000

export interface Chunk {
  /** The index of the line that comes next; beyond the last line the rounding of the batch is in it too. */
  readonly until: number
  readonly entries: readonly JournalEntry[]
  readonly refused: readonly RefusedCharge[]
  readonly messages: readonly BookMessage[]
}

export function chunkOf(batch: BillingBatch, token: string, from: number, rules: PostingRules): Chunk {
  const entries: JournalEntry[] = []
  const refused: RefusedCharge[] = []
  const days = new Map<string, string[]>()
  const bytes = new Map<string, number>()
  let until = from
  for (; until < batch.lines.length && hasRoom(entries, bytes); until += 1) {
    const posting = postingOf(batch, batch.lines[until]!, rules)
    if (posting.kind === 'refused') refused.push(posting)
    if (posting.kind !== 'posting') continue
    entries.push(posting.entry)
    if (posting.tax !== undefined) entries.push(posting.tax)
    for (const release of posting.releases) {
      const text = JSON.stringify(journalToWire(release))
      const day = release.accountingDate
      days.set(day, [...(days.get(day) ?? []), text])
      bytes.set(day, (bytes.get(day) ?? 0) + Buffer.byteLength(text) + 1)
    }
  }
  const isLast = until === batch.lines.length
  const rounding = isLast ? roundingOf(batch, rules) : undefined
  if (rounding !== undefined) entries.push(rounding)
  const posted = entries.map(entry => messageOf(bookSubjects.postings(token), journalToWire(entry)))
  const scheduled = [...days].map(([day, texts]) => ({
    natsSubject: bookSubjects.schedule(token, day),
    bytes: new TextEncoder().encode(`[${texts.join(',')}]`),
  }))
  return { until, entries, refused, messages: [...posted, ...scheduled] }
}

/** A line may bring an entry and as many days as its schedule has months: room is left for those. */
function hasRoom(entries: readonly JournalEntry[], bytes: ReadonlyMap<string, number>): boolean {
  const longest = Math.max(0, ...bytes.values())
  return entries.length + bytes.size < mostMessages && longest < mostBytesOfDay
}
