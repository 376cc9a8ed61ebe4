// Posts the tax that a tax engine told of: rows of `tax_transactions` in LEDGER become entries of kind `tax` beside those of the charges.
// Invariants:
// 1. What stands of a tax lies on `taxes.<entity>.<tax>`, stored in one atomic batch with its entries, behind the fence of the book; of many
//    lines in pieces, each with a batch of its own. So each state is posted once, and credited once when a later one takes its place,
//    whatever ends in the middle.
// 2. The store decides which state holds; a range that comes again, or an old state after a new one, changes nothing.
// 3. A tax that cannot be posted holds no other up: the store keeps why, and it is tried again until it can, or a later state can.

import { readFile } from 'node:fs/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import { tableFromIPC } from 'apache-arrow'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { compositeKey } from '../../schemas/identifiers.js'
import { taxToken } from '../../schemas/tax-trouble.js'
import { type AccountMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import type { Sink, SinkOutcome } from '../../sinks/sink.js'
import { pauseFor } from '../broker/back-off.js'
import {
  appendToBook,
  type Book,
  type BookParts,
  bookSubjects,
  messageOf,
  readBook,
  tokenOf,
} from './book.js'
import { readCalendars } from './calendars-file.js'
import { placeBy } from './entry-parts.js'
import { postingOutcome } from './posting-outcome.js'
import {
  isPosted,
  type StandingTax,
  standingTaxSchema,
  type TaxPiece,
  type TaxRefusal,
  type TaxRules,
  taxPiecesOf,
  taxPostingOf,
  taxRefusalOf,
  wantedLines,
} from './tax-entries.js'
import { type KeptTax, keptTaxSchema, type TaxStore } from './tax-store.js'

export interface TaxSinkOptions extends BookParts {
  readonly accountsFile: string
  readonly calendarsFile?: string
  readonly store: Pick<TaxStore, 'get' | 'keep' | 'tell' | 'troubled'>
  /** Where in POSTINGS the entries of these charges are, by charge; those that are in no books are left out. */
  readonly placesOf: (chargeIds: readonly string[]) => Promise<ReadonlyMap<string, number>>
  readonly nowMs: () => number
  /** Between two tries of what cannot be posted. */
  readonly againMs?: number
  /** Of tests. */
  readonly linesOfPiece?: number
}

const inForce: readonly string[] = ['committed', 'adjusted', 'voided']
const readAtOnce = 64
const usualAgainMs = 30_000
/** Ids that one question to ClickHouse asks for: they stand in its address. */
const placesAtOnce = 200

type Posted =
  | { readonly kind: 'ok'; readonly rows: number }
  /** A later state came, which whoever kept it posts. */
  | { readonly kind: 'overtaken' }
  | { readonly kind: 'refused'; readonly code: TaxRefusal; readonly detail: string }

export function createTaxSink(options: TaxSinkOptions): Sink {
  let last: Promise<unknown> = Promise.resolve()
  /** One after another, so that no try of an older state ends behind a later one. */
  const post = (taxIds: readonly string[], signal: AbortSignal): Promise<SinkOutcome> => {
    const turn = last.then(() => postTaxes(options, taxIds, signal))
    last = turn.catch(() => undefined)
    return turn
  }
  return {
    name: 'taxes',
    apply: ({ messages }, signal) =>
      postingOutcome(async () => {
        const touched = new Set<string>()
        for (const { bytes, natsSubject } of messages) {
          if (!natsSubject.endsWith('.tax_transactions')) continue
          for (const tax of taxesIn(bytes)) {
            signal.throwIfAborted()
            await options.store.keep(tax)
            touched.add(tax.tax_id)
          }
        }
        return await post([...touched], signal)
      }),
    async attend({ stopping, aborting, isPaused }) {
      while (!stopping.aborted) {
        await pauseFor(options.againMs ?? usualAgainMs, stopping)
        if (stopping.aborted || isPaused()) continue
        await postingOutcome(async () => await post(await options.store.troubled(), aborting)) // what fails is tried again
      }
    },
  }
}

async function postTaxes(
  options: TaxSinkOptions,
  taxIds: readonly string[],
  signal: AbortSignal,
): Promise<SinkOutcome> {
  if (taxIds.length === 0) return { kind: 'ok', rows: 0 }
  const mapping = await readMapping(options.accountsFile)
  if ('kind' in mapping) return mapping
  let rows = 0
  for (const taxId of taxIds) {
    const tax = await options.store.get(taxId)
    if (tax === undefined) continue
    const posted = await postTax(options, tax, mapping, signal)
    if (posted.kind === 'overtaken') continue
    if (posted.kind === 'ok') rows += posted.rows
    await options.store.tell(tax, posted.kind === 'ok' ? undefined : posted, options.nowMs())
  }
  return { kind: 'ok', rows }
}

/** Brings the books to what the store says of the tax: nothing of it where something is wrong, else piece by piece. */
async function postTax(
  options: TaxSinkOptions,
  tax: KeptTax,
  mapping: AccountMapping,
  signal: AbortSignal,
): Promise<Posted> {
  const before = await standingPieces(options, tax.tax_id)
  const pieces = taxPiecesOf(tax, before, options.linesOfPiece)
  if (pieces.every(piece => isPosted(piece, before[piece.index]))) return { kind: 'ok', rows: 0 }
  const charges = await chargesOf(options, tax)
  const token = tokenOf([...charges.values()][0]?.entity_id ?? before[0]?.entity_id ?? '')
  const rulesBy = async (book: Book): Promise<TaxRules> => {
    return { charges, mapping, place: placeBy(await readCalendars(options.calendarsFile), book.closed) }
  }
  const refused = taxRefusalOf(tax, before, await rulesBy(await readBook(options, token)))
  if (refused !== undefined) return refused
  let rows = 0
  for (const piece of pieces) {
    const posted = await postPiece({ options, tax, token, rulesBy }, piece, signal)
    if (posted.kind !== 'ok') return posted
    rows += posted.rows
  }
  return { kind: 'ok', rows }
}

interface TaxToPost {
  readonly options: TaxSinkOptions
  readonly tax: KeptTax
  readonly token: string
  readonly rulesBy: (book: Book) => Promise<TaxRules>
}

async function postPiece(
  { options, tax, token, rulesBy }: TaxToPost,
  piece: TaxPiece,
  signal: AbortSignal,
): Promise<Posted> {
  for (;;) {
    signal.throwIfAborted()
    const book = await readBook(options, token)
    // Read after the book: what another process posts in between is behind the fence, and then nothing is stored.
    if (!isOf(tax, await options.store.get(tax.tax_id))) return { kind: 'overtaken' }
    const standing = await standingOf(options, tax.tax_id, piece.index)
    const posting = taxPostingOf(tax, piece, standing, await rulesBy(book))
    if (posting.kind === 'refused') return posting
    if (posting.kind === 'nothing') return { kind: 'ok', rows: 0 }
    const messages = [
      ...posting.entries.map(entry => messageOf(bookSubjects.postings(book.token), entry)),
      messageOf(bookSubjects.tax(book.token, taxToken(tax.tax_id), piece.index), posting.standing),
    ]
    if (await appendToBook(options, book, messages, book)) return { kind: 'ok', rows: posting.entries.length }
  }
}

function isOf(tax: KeptTax, kept: KeptTax | undefined): boolean {
  return kept?.sequence === tax.sequence && kept.event === tax.event
}

async function standingPieces(options: BookParts, taxId: string): Promise<StandingTax[]> {
  const first = await standingOf(options, taxId, 0)
  const found = first === undefined ? [] : [first]
  for (let index = 1; index < (first?.pieces ?? 1); index += 1) {
    const standing = await standingOf(options, taxId, index)
    if (standing === undefined) break // none behind it was posted yet
    found.push(standing)
  }
  return found
}

async function standingOf(
  { jsm }: BookParts,
  taxId: string,
  piece: number,
): Promise<StandingTax | undefined> {
  const last = await jsm.streams.getMessage('POSTINGS', {
    last_by_subj: bookSubjects.tax('*', taxToken(taxId), piece),
  })
  return last === null ? undefined : standingTaxSchema.parse(last.json())
}

async function chargesOf(
  { jsm, placesOf }: TaxSinkOptions,
  tax: KeptTax,
): Promise<ReadonlyMap<string, JournalEntryWire>> {
  const ids = [...new Set(wantedLines(tax).map(line => line.charge_id))].filter(id => id !== '')
  const places = ids.length === 0 ? [] : [...(await placesOf(ids))]
  const charges = new Map<string, JournalEntryWire>()
  for (let from = 0; from < places.length; from += readAtOnce) {
    const part = places.slice(from, from + readAtOnce)
    const found = await Promise.all(part.map(([, seq]) => jsm.streams.getMessage('POSTINGS', { seq })))
    for (const [index, message] of found.entries()) {
      const entry = message?.json<JournalEntryWire>()
      if (entry?.charge_id === part[index]![0]) charges.set(entry.charge_id, entry)
    }
  }
  return charges
}

/** The rows that put tax into the books or take it out. */
function taxesIn(bytes: Uint8Array): KeptTax[] {
  if (bytes.byteLength === 0) return []
  return tableFromIPC(bytes).batches.flatMap(batch =>
    Array.from({ length: batch.numRows }, (_, row) => {
      const text = (name: string): string => String(batch.getChild(name)?.get(row) ?? '')
      if (!inForce.includes(text('status'))) return []
      // The vector's own values are milliseconds, which lose digits.
      const times = batch.getChild('event_time')?.data[0]?.values as BigInt64Array
      const names = ['tax_id', 'customer_id', 'status', 'currency', 'document', 'document_status'] as const
      return [
        keptTaxSchema.parse({
          ...Object.fromEntries(names.map(name => [name, text(name)])),
          sequence: Number(text('sequence')),
          event: compositeKey(text('event_source'), text('event_id')),
          ...{ event_source: text('event_source'), event_id: text('event_id') },
          event_time: String(times[row]),
          lines: JSON.parse(text('lines')),
        }),
      ]
    }).flat(),
  )
}

async function readMapping(
  file: string,
): Promise<AccountMapping | Extract<SinkOutcome, { kind: 'rejected' }>> {
  try {
    const parsed = parseAccountMapping(await readFile(file, 'utf8'), file)
    if (parsed.kind === 'ok') return parsed.mapping
    const problems = parsed.problems.map(problem => `${problem.file}:${problem.line}: ${problem.message}`)
    return { kind: 'rejected', code: 'invalid_account_mapping', detail: problems.join(' ') }
  } catch (error) {
    return { kind: 'rejected', code: 'no_account_mapping', detail: `${file}: ${(error as Error).message}` }
  }
}

/** Where ClickHouse has the entries of charges. */
export function placesIn(clickhouse: ClickHouseClient): TaxSinkOptions['placesOf'] {
  const query = `SELECT charge_id, toString(max(stream_sequence)) AS at FROM journal_entries
    WHERE entry_kind IN ('', 'journal') AND charge_id IN ({ids: Array(String)}) GROUP BY charge_id`
  return async chargeIds => {
    const places = new Map<string, number>()
    for (let from = 0; from < chargeIds.length; from += placesAtOnce) {
      const query_params = { ids: chargeIds.slice(from, from + placesAtOnce) }
      const answer = await clickhouse.query({ query, query_params, format: 'JSONEachRow' })
      const rows = await answer.json<{ charge_id: string; at: string }>()
      for (const { charge_id, at } of rows) places.set(charge_id, Number(at))
    }
    return places
  }
}
