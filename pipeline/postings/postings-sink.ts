// The ERP sink: billing batches in, journal entries out, to the stream `POSTINGS` and as CSV.
// Invariants:
// 1. The lines of a batch are posted in order, in pieces that are stored whole, behind the last message of their entity's book,
//    whose header says how far the batch is posted. So each line is posted once, whatever ends in the middle.
// 2. A line that cannot be posted is set aside; the other lines are posted. Once it can, it is posted behind the last message of
//    the book, with that message's header, so that invariant 1 still holds.
// 3. The stream, not today's mapping, says what was posted of a batch: when a batch comes again, its lines that the stream
//    lacks are set aside.
// 4. An entry goes to a period that is open when it is stored (book.ts).

import { readFile } from 'node:fs/promises'
import { calendarOf } from '../../schemas/accounting-calendar/accounting-calendar.js'
import {
  type BillingBatch,
  batchFromWire,
  batchToWire,
  controlOf,
} from '../../schemas/billing/billing-batch.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import { entityToken } from '../../schemas/identifiers.js'
import { type AccountMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import type {
  Attendance,
  FeedMessage,
  FeedRange,
  RefusedRecord,
  Sink,
  SinkOutcome,
} from '../../sinks/sink.js'
import { pauseFor } from '../broker/back-off.js'
import { appendToBook, type Book, type BookParts, readBook } from './book.js'
import { readCalendars } from './calendars-file.js'
import { chunkOf } from './chunk.js'
import { writeCsvOfRun } from './csv.js'
import { type PostingRules, postingOf, type Recognise, type RefusedCharge } from './entries.js'
import { placeBy } from './entry-parts.js'
import { PostedIds } from './posted-ids.js'
import { postingOutcome } from './posting-outcome.js'

export interface ErpSinkOptions extends BookParts {
  readonly accountsFile: string
  /** The accounting calendars; absent: months in UTC. */
  readonly calendarsFile?: string
  /** The folder for CSV files; absent: none are written. */
  readonly csvDir?: string
  /** When a charge is booked and earned. */
  readonly recognise: Recognise
  /** The cutoff of a run, which dates its adjustments; undefined: there is no such run. */
  readonly cutoffNsOf: (billingRunId: string) => Promise<bigint | undefined>
}

type Refusal = Extract<SinkOutcome, { kind: 'rejected' }>
type RunOfEntity = { readonly token: string; readonly runId: string }

const maxContentLength = 64 * 1024
const csvPauseMs = 500

export function createErpSink(options: ErpSinkOptions): Sink {
  const postings = new ErpSink(options)
  return {
    name: 'erp',
    apply: (range, signal) => postingOutcome(() => postings.post(range, signal)),
    applyRefused: (record, signal) => postingOutcome(() => postings.postRefused(record, signal)),
    attend: attendance => postings.attend(attendance),
  }
}

class ErpSink {
  readonly #options: ErpSinkOptions
  readonly #ids: PostedIds
  /** Runs of which a line that was set aside is posted now: their CSV is written again, once for many lines. */
  readonly #csvDue = new Map<string, RunOfEntity>()

  constructor(options: ErpSinkOptions) {
    this.#options = options
    this.#ids = new PostedIds(options)
  }

  async post(range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
    if (range.messages.length === 0) return { kind: 'ok', rows: 0 }
    const mapping = await readMapping(this.#options.accountsFile)
    if ('code' in mapping) return mapping
    let rows = 0
    const refused: RefusedRecord[] = []
    const newest = new Map<string, { readonly run: RunOfEntity; readonly sequence: number }>()
    for (const message of range.messages) {
      const batch = batchOf(message)
      if ('code' in batch) {
        refused.push(batch)
        continue
      }
      const posted = await this.#postBatch(message.sequence, batch, mapping, signal)
      rows += posted.rows
      refused.push(...posted.refused.map(one => refusedLine(message, batch, one)))
      const run = { token: entityToken(batch.entityId), runId: batch.billingRunId }
      newest.set(`${run.token}.${run.runId}`, { run, sequence: message.sequence })
    }
    for (const { run, sequence } of newest.values()) await this.#writeCsvAtEnd(run, sequence, signal)
    return { kind: 'ok', rows, ...(refused.length === 0 ? {} : { refused }) }
  }

  async postRefused({ bytes, token, sequence }: RefusedRecord, signal: AbortSignal): Promise<SinkOutcome> {
    if (bytes === '') return { kind: 'rejected', code: 'invalid_billing_batch', detail: 'it is no batch' }
    const mapping = await readMapping(this.#options.accountsFile)
    if ('code' in mapping) return mapping
    const parsed = batchFromWire(JSON.parse(Buffer.from(bytes, 'base64').toString('utf8')))
    if (parsed.kind === 'rejected') throw new Error(`a line that was set aside: ${parsed.rejection.detail}`)
    const batch = parsed.value
    const cutoffNs = await this.#options.cutoffNsOf(batch.billingRunId)
    if (cutoffNs === undefined) return unknownRun(batch)
    const entity = entityToken(batch.entityId)
    for (;;) {
      const book = await readBook(this.#options, entity)
      const rules = await this.#rules(mapping, cutoffNs, book)
      const chunk = chunkOf(batch, entity, 0, { ...rules, mapping: withoutRounding(mapping) })
      const [first] = chunk.refused
      if (first !== undefined) return { kind: 'rejected', code: first.code, detail: first.detail }
      const there = await this.#ids.since(entity, Number(token) || sequence, signal)
      const isThere = chunk.entries.every(entry => there.has(entry.journalId))
      const progress = { ...book, billingSequence: Math.max(book.billingSequence, sequence) } // invariant 2
      if (!isThere && !(await appendToBook(this.#options, book, chunk.messages, progress))) continue
      if (this.#options.csvDir !== undefined)
        this.#csvDue.set(`${entity}.${batch.billingRunId}`, { token: entity, runId: batch.billingRunId })
      return { kind: 'ok', rows: isThere ? 0 : chunk.entries.length }
    }
  }

  /** Writes the CSV files that are due, now and then, and at the end. */
  async attend({ stopping, aborting }: Attendance): Promise<void> {
    while (!stopping.aborted) {
      await pauseFor(csvPauseMs, stopping)
      await this.writeCsvDue(aborting).catch(() => undefined) // it stays due
    }
  }

  async writeCsvDue(signal: AbortSignal): Promise<void> {
    const { csvDir } = this.#options
    for (const [key, run] of this.#csvDue) {
      if (csvDir !== undefined) await writeCsvOfRun(this.#options, csvDir, run, signal)
      this.#csvDue.delete(key)
    }
  }

  /** Posts the lines of the batch that are not posted yet. */
  async #postBatch(sequence: number, batch: BillingBatch, mapping: AccountMapping, signal: AbortSignal) {
    const cutoffNs = await this.#options.cutoffNsOf(batch.billingRunId)
    if (cutoffNs === undefined) {
      const { code, detail } = unknownRun(batch)
      return { rows: 0, refused: batch.lines.map((charge): RefusedCharge => ({ charge, code, detail })) }
    }
    const token = entityToken(batch.entityId)
    const refused: RefusedCharge[] = []
    let rows = 0
    let at: number | undefined
    for (;;) {
      const book = await readBook(this.#options, token)
      const rules = await this.#rules(mapping, cutoffNs, book)
      const done = linesDone(book, sequence, batch.lines.length)
      if (at === undefined && done > 0)
        refused.push(...(await this.#notPosted(batch, sequence, done, rules, signal))) // invariant 3
      at = Math.max(at ?? 0, done)
      if (at >= batch.lines.length) return { rows, refused }
      const chunk = chunkOf(batch, token, at, rules)
      const progress = { ...book, billingSequence: sequence, billingLine: chunk.until } // invariant 1
      const isStored =
        chunk.messages.length === 0 || (await appendToBook(this.#options, book, chunk.messages, progress))
      if (!isStored) continue
      at = chunk.until
      rows += chunk.entries.length
      refused.push(...chunk.refused)
    }
  }

  async #notPosted(
    batch: BillingBatch,
    sequence: number,
    done: number,
    rules: PostingRules,
    signal: AbortSignal,
  ): Promise<RefusedCharge[]> {
    const there = await this.#ids.since(entityToken(batch.entityId), sequence, signal)
    const detail = 'it was not posted with its batch; it is when the feed begins again'
    return batch.lines.slice(0, done).flatMap((charge): RefusedCharge[] => {
      const posting = postingOf(batch, charge, rules)
      if (posting.kind === 'refused') return [posting]
      if (posting.kind === 'nothing' || there.has(posting.entry.journalId)) return []
      return [{ charge, code: 'no_account_mapping', detail }]
    })
  }

  async #rules(mapping: AccountMapping, cutoffNs: bigint, book: Book): Promise<PostingRules> {
    const { recognise, calendarsFile } = this.#options
    const calendars = await readCalendars(calendarsFile)
    return {
      mapping,
      recognitionOf: charge => recognise(charge, cutoffNs, calendarOf(calendars, charge.entityId)),
      place: placeBy(calendars, book.closed), // invariant 4
    }
  }

  /** The CSV of a run is written when no batch of it follows, so that a large run is not written for each batch. */
  async #writeCsvAtEnd(run: RunOfEntity, sequence: number, signal: AbortSignal): Promise<void> {
    const { csvDir, jsm } = this.#options
    if (csvDir === undefined) return
    const query = { seq: sequence + 1, next_by_subj: `billing.${run.token}.${run.runId}` }
    if ((await jsm.streams.getMessage('BILLING', query)) !== null) return
    await writeCsvOfRun(this.#options, csvDir, run, signal)
  }
}

function linesDone(book: Book, sequence: number, lines: number): number {
  if (book.billingSequence < sequence) return 0
  return book.billingSequence > sequence ? lines : Math.min(lines, book.billingLine)
}

/** The rounding of a batch was posted with it, not with a line that was set aside. */
function withoutRounding({ rounding: _, ...mapping }: AccountMapping): AccountMapping {
  return mapping
}

/** The billing batch of a message; a message that holds none is set aside unchanged. */
function batchOf({ sequence, bytes }: FeedMessage): BillingBatch | RefusedRecord {
  const text = new TextDecoder().decode(bytes)
  const refused = (detail: string): RefusedRecord => ({
    name: `batch:${sequence}`,
    sequence,
    table: 'billing_batches',
    code: 'invalid_billing_batch',
    detail: `message ${sequence} of BILLING: ${detail}`,
    content: text.slice(0, maxContentLength),
    bytes: '',
    token: '',
  })
  try {
    const parsed = batchFromWire(JSON.parse(text))
    return parsed.kind === 'rejected' ? refused(parsed.rejection.detail) : parsed.value
  } catch (error) {
    return refused(String(error))
  }
}

function refusedLine(
  { sequence }: FeedMessage,
  batch: BillingBatch,
  { charge, code, detail }: RefusedCharge,
): RefusedRecord {
  const content = JSON.stringify(chargeToWire(charge))
  const alone = { ...batch, lines: [charge], control: controlOf([charge]) }
  const bytes = Buffer.from(JSON.stringify(batchToWire(alone))).toString('base64')
  const name = `${batch.batchId}:${charge.chargeId}`
  return { name, sequence, table: 'journal_entries', code, detail, content, bytes, token: String(sequence) }
}

async function readMapping(file: string): Promise<AccountMapping | Refusal> {
  try {
    const parsed = parseAccountMapping(await readFile(file, 'utf8'), file)
    if (parsed.kind === 'ok') return parsed.mapping
    const problems = parsed.problems.map(problem => `${problem.file}:${problem.line}: ${problem.message}`)
    return { kind: 'rejected', code: 'invalid_account_mapping', detail: problems.join(' ') }
  } catch (error) {
    return { kind: 'rejected', code: 'no_account_mapping', detail: `${file}: ${(error as Error).message}` }
  }
}

function unknownRun({ billingRunId }: BillingBatch): Refusal & { readonly code: 'unknown_billing_run' } {
  return { kind: 'rejected', code: 'unknown_billing_run', detail: `no billing run ${billingRunId}` }
}
