// The book of one entity: its subjects of POSTINGS, what stands last on them, and appending behind it under one fence.
// Invariants:
// 1. Postings and the closing of periods (`postings.<entity>`, `periods.<entity>`) share one fence, `*.<entity>`. So an entry
//    that is placed by the closed periods as they were read is stored only while they are still those.
// 2. Each message behind the fence carries in its headers how far billing batches and releases are posted. The stream alone
//    is the memory: whoever reads the last message knows what comes next.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { entityToken } from '../../schemas/identifiers.js'
import { publishBatch } from '../broker/atomic-batch.js'
import type { BulkTransport } from '../broker/bulk-transport.js'

export const bookSubjects = {
  postings: (token: string) => `postings.${token}`,
  periods: (token: string) => `periods.${token}`,
  /** What the fence is about: postings and periods, and nothing that has more tokens. */
  fence: (token: string) => `*.${token}`,
  schedule: (token: string, day: string) => `schedules.${token}.${day}`,
  schedules: (token: string) => `schedules.${token}.>`,
  /** What of a tax stands in the books, by piece. */
  tax: (token: string, tax: string, piece = 0) =>
    piece === 0 ? `taxes.${token}.${tax}` : `taxes.${token}.${tax}.${piece}`,
  /** Three tokens, so that a summary is no part of the fence. */
  summaries: (token: string) => `summaries.${token}.book`,
} as const

export interface BookParts {
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly timeoutMs: number
}

const byWhom = z.object({ key_id: z.string(), name: z.string() }).nullable()

/** The last message on `periods.<entity>`: which periods are closed, and what changed. */
export const periodsMessageSchema = z.object({
  entity_id: z.string(),
  closed: z.array(
    z.object({
      period: z.string(),
      // Its days as they were then; '' in messages from before they were kept.
      first: z.string().default(''),
      last: z.string().default(''),
      closed_at: z.string(),
      closed_by: byWhom,
    }),
  ),
  change: z.object({
    act: z.enum(['closed', 'reopened']),
    period: z.string(),
    at: z.string(),
    by: byWhom,
    reason: z.string().nullable(),
  }),
})
export type PeriodsMessage = z.infer<typeof periodsMessageSchema>

/** How far releases are posted: all that lies in `schedules` up to `up_to` and is due by `until`. */
const releaseStateSchema = z.object({
  until: z.string(),
  up_to: z.int(),
  /** An order that is posted in part: `done` entries of its list, behind `from` in the stream. */
  pending: z
    .object({ id: z.string(), until: z.string(), up_to: z.int(), done: z.int(), from: z.int() })
    .optional(),
})
export type ReleaseState = z.infer<typeof releaseStateSchema>

const nothingReleased: ReleaseState = { until: '', up_to: 0 }

export interface Progress {
  /** The sequence in BILLING of the newest batch that is posted, and how many of its lines were looked at. */
  readonly billingSequence: number
  readonly billingLine: number
  readonly release: ReleaseState
}

export interface Book extends Progress {
  readonly token: string
  /** Of the last message behind the fence. */
  readonly lastSequence: number
  readonly closed: PeriodsMessage['closed']
}

const billingHeader = 'weir-billing-sequence'
const lineHeader = 'weir-billing-line'
const releaseHeader = 'weir-release'

export async function readBook({ jsm }: Pick<BookParts, 'jsm'>, token: string): Promise<Book> {
  const last = await jsm.streams.getMessage('POSTINGS', { last_by_subj: bookSubjects.fence(token) })
  // Read after `last`: what changes in between is behind the fence, and then nothing is stored.
  const periods = await jsm.streams.getMessage('POSTINGS', { last_by_subj: bookSubjects.periods(token) })
  const header = (name: string): string => last?.header.get(name) ?? ''
  const line = header(lineHeader)
  return {
    token,
    lastSequence: last?.seq ?? 0,
    billingSequence: Number(header(billingHeader)),
    // Entries without the header were posted with all lines of their batch.
    billingLine: line === '' ? Number.POSITIVE_INFINITY : Number(line),
    release: releaseStateOf(header(releaseHeader)),
    closed: periods === null ? [] : periodsMessageSchema.parse(periods.json()).closed,
  }
}

function releaseStateOf(text: string): ReleaseState {
  return text === '' ? nothingReleased : releaseStateSchema.parse(JSON.parse(text))
}

export interface BookMessage {
  readonly natsSubject: string
  readonly bytes: Uint8Array
}

/** Appends the messages, all or none, the first of them behind the fence. False: the book has changed since it was read. */
export async function appendToBook(
  { bulk, timeoutMs }: Pick<BookParts, 'bulk' | 'timeoutMs'>,
  book: Book,
  messages: readonly BookMessage[],
  progress: Progress,
): Promise<boolean> {
  const { billingSequence, billingLine, release } = progress
  const headers = {
    [billingHeader]: String(billingSequence),
    [lineHeader]: Number.isFinite(billingLine) ? String(billingLine) : '',
    [releaseHeader]: release === nothingReleased ? '' : JSON.stringify(release),
  }
  const outgoing = messages.map(message => ({ ...message, headers }))
  const fence = { lastSubjectSequence: book.lastSequence, subject: bookSubjects.fence(book.token) }
  const outcome = await publishBatch(bulk, outgoing, fence, timeoutMs)
  if (outcome.kind === 'stored') return true
  if (outcome.kind === 'fenced') return false
  throw new Error(`${outcome.kind}: ${outcome.detail}`)
}

export function messageOf(natsSubject: string, document: unknown): BookMessage {
  return { natsSubject, bytes: new TextEncoder().encode(JSON.stringify(document)) }
}

/**
 * From where in the stream on the postings of an entity belong to this message of BILLING or to later ones. The header only
 * rises, so it is found by halving.
 */
export async function firstPostingOf(
  { jsm }: Pick<BookParts, 'jsm'>,
  token: string,
  billingSequence: number,
): Promise<number> {
  const subject = bookSubjects.postings(token)
  const last = await jsm.streams.getMessage('POSTINGS', { last_by_subj: subject })
  let [low, high] = [1, (last?.seq ?? 0) + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const next = await nextOf(jsm, subject, middle)
    if (next === null || Number(next.header.get(billingHeader)) >= billingSequence) high = middle
    else low = next.seq + 1
  }
  return low
}

function nextOf(jsm: JetStreamManager, subject: string, seq: number) {
  // The library's type leaves `next_by_subj` out; the server has it since 2.8.
  const query = { seq, next_by_subj: subject }
  return jsm.streams.getMessage('POSTINGS', query)
}

/** The entities, as tokens, that have a message on a subject of POSTINGS. */
export async function tokensOf({ jsm }: Pick<BookParts, 'jsm'>, filter: string): Promise<string[]> {
  const { state } = await jsm.streams.info('POSTINGS', { subjects_filter: filter })
  return [...new Set(Object.keys(state.subjects ?? {}).map(subject => subject.split('.')[1] ?? ''))].sort()
}

export function tokenOf(entityId: string): string {
  return entityToken(entityId)
}
