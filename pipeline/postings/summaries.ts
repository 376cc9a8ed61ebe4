// Summaries: the entries of an entity added up by run or order, currency, accounting day, account, role and segments, for
// receivers that take no single ones. Each is a balanced entry of its own on `summaries.<entity>.book`.
// Invariants:
// 1. Every posting is in exactly one summary: each says which stretch of POSTINGS it covers, and the next begins behind it.
// 2. The last message of the subject is the memory, and its fence keeps two processes from adding up the same.

import type { JournalEntry, JournalEntryWire, JournalLine } from '../../schemas/billing/journal-entry.js'
import { journalToWire } from '../../schemas/billing/journal-entry.js'
import { stableId } from '../../schemas/identifiers.js'
import { parseDecimal, type Scaled } from '../../schemas/money/decimal.js'
import { parseInstant } from '../../schemas/time.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { readStretch } from '../broker/read-stream.js'
import { type BookParts, bookSubjects, messageOf } from './book.js'
import { noCharge } from './entry-parts.js'

/** The broker takes 1,000 messages at once. */
const mostGroups = 900
/** So many postings at most are in one summary, so that adding up ends within the time that a sink has. */
const mostPostings = 200_000
const upToHeader = 'weir-summary-up-to'

/** Adds up what was posted since the last summary; the number of summaries made. */
export async function summarise(parts: BookParts, token: string, signal: AbortSignal): Promise<number> {
  let made = 0
  for (;;) {
    const natsSubject = bookSubjects.summaries(token)
    const last = await parts.jsm.streams.getMessage('POSTINGS', { last_by_subj: natsSubject })
    const from = Number(last?.header.get(upToHeader) ?? 0) + 1
    const groups = await groupsFrom(parts, token, from, signal)
    if (groups === undefined) return made
    const headers = { [upToHeader]: String(groups.to) }
    const summaries = groups.entries.map(entry => ({
      ...messageOf(natsSubject, journalToWire(entry)),
      headers,
    }))
    const outcome = await publishBatch(
      parts.bulk,
      summaries,
      { lastSubjectSequence: last?.seq ?? 0 },
      parts.timeoutMs,
    )
    if (outcome.kind === 'fenced') continue
    if (outcome.kind !== 'stored') throw new Error(`${outcome.kind}: ${outcome.detail}`)
    made += summaries.length
  }
}

interface Groups {
  /** The last posting that is in them. */
  readonly to: number
  readonly entries: readonly JournalEntry[]
}

interface Group {
  readonly first: JournalEntryWire
  readonly lines: Map<string, { of: JournalEntryWire['lines'][number]; debit: Scaled; credit: Scaled }>
}

/** Undefined: nothing was posted since. */
async function groupsFrom(
  { js }: BookParts,
  token: string,
  from: number,
  signal: AbortSignal,
): Promise<Groups | undefined> {
  const groups = new Map<string, Group>()
  let [to, count] = [0, 0]
  const stretch = { stream: 'POSTINGS', filterSubject: bookSubjects.postings(token), from }
  for await (const message of readStretch(js, stretch, signal)) {
    const entry = message.json<JournalEntryWire>()
    const { run, order } = ownersOf(entry)
    const key = JSON.stringify([run, order, entry.currency, entry.accounting_date])
    const group = groups.get(key) ?? { first: entry, lines: new Map() }
    if (groups.size === mostGroups && !groups.has(key)) break
    groups.set(key, group)
    for (const line of entry.lines) addLine(group, line)
    to = message.seq
    count += 1
    if (count === mostPostings) break
  }
  if (groups.size === 0) return undefined
  return { to, entries: [...groups.values()].map(group => summaryOf(group, { from, to })) }
}

/** A summary is of one billing run, or of one order of releases. */
function ownersOf({ source }: JournalEntryWire) {
  return source.release_id ? { run: '', order: source.release_id } : { run: source.billing_run_id, order: '' }
}

function addLine({ lines }: Group, line: JournalEntryWire['lines'][number]): void {
  const key = JSON.stringify([line.account, line.role, Object.entries(line.segments).sort()])
  const sum = lines.get(key) ?? { of: line, debit: 0n, credit: 0n }
  sum.debit += amountOf(line.debit)
  sum.credit += amountOf(line.credit)
  lines.set(key, sum)
}

function amountOf(text: string): Scaled {
  const parsed = parseDecimal(text)
  if (parsed.kind !== 'ok') throw new Error(`${text} is no amount of an entry`)
  return parsed.value
}

function summaryOf(
  { first, lines }: Group,
  covers: { readonly from: number; readonly to: number },
): JournalEntry {
  const { run, order } = ownersOf(first)
  const journalId = stableId(
    'sm',
    first.entity_id,
    run,
    order,
    first.currency,
    first.accounting_date,
    covers.from,
  )
  const sums = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum)
  const sideOf = (sum: (typeof sums)[number], side: 'debit' | 'credit'): JournalLine[] => {
    if (sum[side] === 0n) return []
    const { account, role, segments } = sum.of
    const amounts = side === 'debit' ? { debit: sum.debit, credit: 0n } : { debit: 0n, credit: sum.credit }
    return [{ account, role, ...amounts, segments: new Map(Object.entries(segments)) }]
  }
  return {
    journalId,
    idempotencyKey: journalId,
    kind: 'summary',
    entityId: first.entity_id,
    currency: first.currency,
    accountingDate: first.accounting_date,
    accountingPeriod: first.accounting_period,
    lines: sums.flatMap(sum => [...sideOf(sum, 'debit'), ...sideOf(sum, 'credit')]),
    ...noCharge,
    fromNs: parseInstant(first.service_period.from)!,
    untilNs: parseInstant(first.service_period.until)!,
    serviceDays: { first: first.accounting_date, last: first.accounting_date },
    timezone: first.timezone,
    source: { billingRunId: run, batchId: '', releaseId: order },
    covers,
  }
}
