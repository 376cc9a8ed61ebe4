// Releases: deferred revenue that is earned becomes revenue, by entries that were scheduled when it was deferred.
// Invariants:
// 1. The releases of an order are one list: those that became due since the last order, by day, then those that were scheduled
//    since and were due already. The list follows from the book's state and the order's end alone.
// 2. It is posted in pieces behind the fence of the book; the header of each says how far. An order that was posted in part is
//    finished before another begins. So each release is posted once.
// 3. A day's releases are read when the day is due, and when they are new: never the whole schedule again.

import {
  type AccountingCalendars,
  calendarOf,
  lastDayOverAt,
} from '../../schemas/accounting-calendar/accounting-calendar.js'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { readStretch } from '../broker/read-stream.js'
import {
  appendToBook,
  type Book,
  type BookParts,
  bookSubjects,
  messageOf,
  type ReleaseState,
  readBook,
} from './book.js'
import { noPeriod, type Place, placeBy } from './entry-parts.js'

const releasesAtOnce = 900

/** The calendar has no open period for a release: it cannot be posted, and nothing after it. */
export class NoPeriodError extends Error {
  override readonly name = 'NoPeriodError'
}

export interface ReleaseParts extends BookParts {
  readonly calendars: AccountingCalendars
}

/** The end of an order: all that is due by this day, for each entity. */
export type Until = { readonly day: string } | { readonly cutoffNs: bigint }

export interface PostedReleases {
  readonly releaseId: string
  readonly rows: number
  /** Behind this sequence of POSTINGS they lie. */
  readonly from: number
}

/** Posts what is due in the book of one entity; what an earlier order left unfinished comes first. */
export async function postReleases(
  parts: ReleaseParts,
  token: string,
  order: { readonly id: string; readonly until: Until },
  signal: AbortSignal,
): Promise<readonly PostedReleases[]> {
  const posted: PostedReleases[] = []
  for (;;) {
    const book = await readBook(parts, token)
    const { pending } = book.release
    const end = pending ?? (await endOf(parts, book, order, signal))
    if (end === undefined) return posted
    const rows = await postList(parts, book, end, signal)
    if (rows === undefined) continue // the book changed: it is read again, and the list goes on where it stands
    posted.push({ releaseId: end.id, rows, from: end.from })
    if (end.id === order.id) return posted
  }
}

type End = NonNullable<ReleaseState['pending']>

/** Undefined: nothing is scheduled for the entity. */
async function endOf(
  parts: ReleaseParts,
  book: Book,
  { id, until }: { readonly id: string; readonly until: Until },
  signal: AbortSignal,
): Promise<End | undefined> {
  const last = await parts.jsm.streams.getMessage('POSTINGS', {
    last_by_subj: bookSubjects.schedules(book.token),
  })
  if (last === null) return undefined
  const day = await dayOf(parts, last.json<readonly JournalEntryWire[]>()[0]?.entity_id ?? '', until)
  signal.throwIfAborted()
  return { id, until: later(day, book.release.until), up_to: last.seq, done: 0, from: book.lastSequence }
}

async function dayOf({ calendars }: ReleaseParts, entityId: string, until: Until): Promise<string> {
  return 'day' in until ? until.day : lastDayOverAt(calendarOf(calendars, entityId), until.cutoffNs)
}

function later(a: string, b: string): string {
  return a > b ? a : b
}

/** How many were posted now; undefined: the book has changed in between. */
async function postList(
  parts: ReleaseParts,
  start: Book,
  end: End,
  signal: AbortSignal,
): Promise<number | undefined> {
  let [book, done, rows] = [start, end.done, 0]
  let chunk: JournalEntryWire[] = []
  const flush = async (isLast: boolean): Promise<boolean> => {
    const { until, up_to } = isLast ? end : book.release
    const pending = { ...end, done: done + chunk.length }
    const release = isLast ? { until, up_to } : { until, up_to, pending } // invariant 2
    const place = placeBy(parts.calendars, book.closed)
    const messages = chunk.map(due =>
      messageOf(bookSubjects.postings(book.token), placedRelease(due, place, end.id)),
    )
    if (!(await appendToBook(parts, book, messages, { ...book, release }))) return false
    done += chunk.length
    rows += chunk.length
    chunk = []
    book = await readBook(parts, book.token)
    return isSameState(book.release, release) // else another process goes on with the list
  }
  let skip = end.done
  for await (const due of dueIn(parts, start, end, signal)) {
    if (skip > 0) {
      skip -= 1
      continue
    }
    if (chunk.length === releasesAtOnce && !(await flush(false))) return undefined
    chunk.push(due)
  }
  if (chunk.length === 0) {
    if (done > 0) throw new Error(`order ${end.id}: its list is shorter than what was posted of it`)
    return 0
  }
  return (await flush(true)) ? rows : undefined
}

function isSameState(a: ReleaseState, b: ReleaseState): boolean {
  return (
    a.until === b.until &&
    a.up_to === b.up_to &&
    a.pending?.id === b.pending?.id &&
    a.pending?.done === b.pending?.done
  )
}

function placedRelease(
  { accounting_date, accounting_period: _, moved_from: __, ...due }: JournalEntryWire,
  place: Place,
  releaseId: string,
): JournalEntryWire {
  const placement = place(due.entity_id, accounting_date)
  if (placement === undefined) throw new NoPeriodError(noPeriod(due.entity_id, accounting_date))
  const { accountingDate, accountingPeriod, movedFrom } = placement
  return {
    ...due,
    accounting_date: accountingDate,
    accounting_period: accountingPeriod,
    ...(movedFrom === undefined ? {} : { moved_from: movedFrom }),
    source: { ...due.source, release_id: releaseId },
  }
}

/** The releases of the list in its order (invariant 1), with the dates on which they are due. */
export async function* dueIn(
  { js, jsm }: Pick<BookParts, 'js' | 'jsm'>,
  { token, release }: Pick<Book, 'token' | 'release'>,
  { until, up_to }: Pick<End, 'until' | 'up_to'>,
  signal: AbortSignal,
): AsyncGenerator<JournalEntryWire> {
  const { state } = await jsm.streams.info('POSTINGS', { subjects_filter: bookSubjects.schedules(token) })
  const days = Object.keys(state.subjects ?? {}).map(subject => subject.split('.')[2] ?? '')
  const stream = 'POSTINGS'
  for (const day of days.filter(day => release.until < day && day <= until).sort()) {
    const filterSubject = bookSubjects.schedule(token, day)
    for await (const message of readStretch(js, { stream, filterSubject, from: 1, to: up_to }, signal))
      yield* message.json<readonly JournalEntryWire[]>()
  }
  if (release.up_to === 0 || release.up_to >= up_to) return
  const filterSubject = bookSubjects.schedules(token)
  const fresh = { stream, filterSubject, from: release.up_to + 1, to: up_to }
  for await (const message of readStretch(js, fresh, signal)) {
    const day = message.subject.split('.')[2] ?? ''
    if (day <= release.until) yield* message.json<readonly JournalEntryWire[]>()
  }
}

/** What an order would post, and posts nothing: with what an unfinished one still has to post. */
export async function* previewReleases(
  parts: ReleaseParts,
  token: string,
  until: Until,
  signal: AbortSignal,
): AsyncGenerator<JournalEntryWire> {
  const book = await readBook(parts, token)
  const place = placeBy(parts.calendars, book.closed)
  const { pending, ...finished } = book.release
  const lists: { readonly release: ReleaseState; readonly end: End; readonly skip: number }[] = []
  if (pending !== undefined) lists.push({ release: finished, end: pending, skip: pending.done })
  const after = pending === undefined ? finished : { until: pending.until, up_to: pending.up_to }
  const end = await endOf(parts, { ...book, release: after }, { id: '', until }, signal)
  if (end !== undefined) lists.push({ release: after, end, skip: 0 })
  for (const { release, end, skip } of lists) {
    let index = 0
    for await (const due of dueIn(parts, { token, release }, end, signal)) {
      index += 1
      if (index > skip) yield placedRelease(due, place, '')
    }
  }
}
