// The ERP sink: billing batches in, journal entries out, to the stream `POSTINGS` and as CSV.
// Invariants:
// 1. The entries of one batch are posted together, in one atomic batch behind the last posting of their entity, under
//    a fence. That last posting names the batch it came from, so what is posted is read from the stream itself.
// 2. A line whose accounts the mapping does not name is set aside; the other lines are posted. Once the mapping names the
//    accounts, the line is posted behind the last posting of its entity, with that posting's header, so that invariant 1
//    still holds.
// 3. The stream, not today's mapping, says what was posted of a batch: when a batch comes again, its lines that the stream
//    lacks are set aside.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import {
  type BillingBatch,
  batchFromWire,
  batchToWire,
  controlOf,
} from '../../schemas/billing/billing-batch.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import {
  type JournalEntry,
  type JournalEntryWire,
  journalToWire,
} from '../../schemas/billing/journal-entry.js'
import { entityToken } from '../../schemas/identifiers.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { csvOf } from '../../sinks/files/formats.js'
import { writeWhole } from '../../sinks/files/whole-file.js'
import { type AccountMapping, parseAccountMapping } from '../../sinks/mapping/account-mapping.js'
import type { FeedMessage, FeedRange, RefusedRecord, Sink, SinkOutcome } from '../../sinks/sink.js'
import { publishBatch } from '../broker/atomic-batch.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import type { BulkTransport } from '../broker/bulk-transport.js'
import { readStretch } from '../broker/read-stream.js'
import { entriesOf, type Recognise, type RefusedCharge } from './entries.js'

export interface ErpSinkOptions {
  readonly bulk: BulkTransport
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly accountsFile: string
  /** The folder for CSV files; absent: none are written. */
  readonly csvDir?: string
  /** When a charge is booked and earned. */
  readonly recognise: Recognise
  /** The cutoff of a run, which dates its adjustments; undefined: there is no such run. */
  readonly cutoffNsOf: (billingRunId: string) => Promise<bigint | undefined>
  readonly timeoutMs: number
}

/** Header of each posting: the sequence in `BILLING` of the batch it came from. */
const sourceHeader = 'weir-billing-sequence'

type Refusal = Extract<SinkOutcome, { kind: 'rejected' }>

export function createErpSink(options: ErpSinkOptions): Sink {
  return {
    name: 'erp',
    async apply(range, signal): Promise<SinkOutcome> {
      try {
        return await post(options, range, signal)
      } catch (error) {
        return brokerUnavailable(error)
      }
    },
    async applyRefused(record, signal): Promise<SinkOutcome> {
      try {
        return await postRefused(options, record, signal)
      } catch (error) {
        return brokerUnavailable(error)
      }
    },
  }
}

async function post(options: ErpSinkOptions, range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
  if (range.messages.length === 0) return { kind: 'ok', rows: 0 }
  const mapping = await readMapping(options.accountsFile)
  if ('code' in mapping) return mapping
  let rows = 0
  const refused: RefusedRecord[] = []
  const files = new Map<string, BillingBatch>()
  for (const message of range.messages) {
    const batch = batchOf(message)
    if ('code' in batch) {
      refused.push(batch)
      continue
    }
    const posted = await postBatch(options, message, batch, mapping, signal)
    rows += posted.rows
    refused.push(...posted.refused.map(one => refusedLine(message, batch, one)))
    files.set(`${entityToken(batch.entityId)}.${batch.billingRunId}`, batch)
  }
  for (const batch of files.values()) await writeCsv(options, batch, signal)
  return { kind: 'ok', rows, ...(refused.length === 0 ? {} : { refused }) }
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

async function postRefused(
  options: ErpSinkOptions,
  { bytes, sequence }: RefusedRecord,
  signal: AbortSignal,
): Promise<SinkOutcome> {
  if (bytes === '') return { kind: 'rejected', code: 'invalid_billing_batch', detail: 'it is no batch' }
  const mapping = await readMapping(options.accountsFile)
  if ('code' in mapping) return mapping
  const parsed = batchFromWire(JSON.parse(Buffer.from(bytes, 'base64').toString('utf8')))
  if (parsed.kind === 'rejected') throw new Error(`a line that was set aside: ${parsed.rejection.detail}`)
  const batch = parsed.value
  const cutoffNs = await options.cutoffNsOf(batch.billingRunId)
  if (cutoffNs === undefined) return unknownRun(batch)
  const { entries, refused } = entriesOf(batch, mapping, charge => options.recognise(charge, cutoffNs))
  const [first] = refused
  if (first !== undefined) return { kind: 'rejected', code: first.code, detail: first.detail }
  const there = await postedOf(options, batch, signal)
  const missing = entries.filter(entry => !there.has(entry.journalId))
  const rows = await append(options, batch, missing, sequence, () => false)
  await writeCsv(options, batch, signal)
  return { kind: 'ok', rows }
}

const maxContentLength = 64 * 1024

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

interface Posted {
  /** Number of entries appended; 0 when they were there already. */
  readonly rows: number
  readonly refused: readonly RefusedCharge[]
}

async function postBatch(
  options: ErpSinkOptions,
  message: FeedMessage,
  batch: BillingBatch,
  mapping: AccountMapping,
  signal: AbortSignal,
): Promise<Posted> {
  const cutoffNs = await options.cutoffNsOf(batch.billingRunId)
  if (cutoffNs === undefined) {
    const { code, detail } = unknownRun(batch)
    return { rows: 0, refused: batch.lines.map(charge => ({ charge, code, detail })) }
  }
  const { entries, refused } = entriesOf(batch, mapping, charge => options.recognise(charge, cutoffNs))
  const isThere = (last: number): boolean => last >= message.sequence // invariant 1
  const rows = await append(options, batch, entries, message.sequence, isThere)
  if (rows > 0 || entries.length === 0) return { rows, refused }
  const there = await postedOf(options, batch, signal) // invariant 3
  const lost = entries.filter(entry => !there.has(entry.journalId)).map(entry => entry.chargeId)
  const detail = 'it was not posted with its batch; it is when the feed begins again'
  const late = batch.lines.filter(charge => lost.includes(charge.chargeId))
  return {
    rows,
    refused: [...refused, ...late.map(charge => ({ charge, code: 'no_account_mapping' as const, detail }))],
  }
}

/** Appends behind the last posting of the entity; `isThere` is asked of the batch that this one came from. */
async function append(
  options: ErpSinkOptions,
  batch: BillingBatch,
  entries: readonly JournalEntry[],
  sequence: number,
  isThere: (lastSource: number) => boolean,
): Promise<number> {
  const natsSubject = `postings.${entityToken(batch.entityId)}`
  while (entries.length > 0) {
    const last = await options.jsm.streams.getMessage('POSTINGS', { last_by_subj: natsSubject })
    const lastSource = last === null ? 0 : Number(last.header.get(sourceHeader))
    if (last !== null && isThere(lastSource)) return 0
    const headers = { [sourceHeader]: String(Math.max(lastSource, sequence)) } // invariant 2
    const outgoing = entries.map(entry => {
      const bytes = new TextEncoder().encode(JSON.stringify(journalToWire(entry)))
      return { natsSubject, bytes, headers }
    })
    const fence = { lastSubjectSequence: last?.seq ?? 0 }
    const outcome = await publishBatch(options.bulk, outgoing, fence, options.timeoutMs)
    if (outcome.kind === 'stored') return outgoing.length
    if (outcome.kind !== 'fenced') throw new Error(`${outcome.kind}: ${outcome.detail}`)
  }
  return 0
}

/** The ids of the entries that POSTINGS holds of a batch. */
async function postedOf(
  options: ErpSinkOptions,
  batch: BillingBatch,
  signal: AbortSignal,
): Promise<Set<string>> {
  const ids = new Set<string>()
  for await (const entry of entriesIn(options, batch.entityId, signal))
    if (entry.source.batch_id === batch.batchId) ids.add(entry.journal_id)
  return ids
}

async function* entriesIn(
  { js }: ErpSinkOptions,
  entityId: string,
  signal: AbortSignal,
): AsyncGenerator<JournalEntryWire> {
  const filterSubject = `postings.${entityToken(entityId)}`
  for await (const message of readStretch(js, { stream: 'POSTINGS', filterSubject, from: 1 }, signal))
    yield message.json<JournalEntryWire>()
}

/** Writes the file of a run from the entries that `POSTINGS` holds of the run. */
async function writeCsv(options: ErpSinkOptions, batch: BillingBatch, signal: AbortSignal): Promise<void> {
  if (options.csvDir === undefined) return
  const entries: JournalEntryWire[] = []
  for await (const entry of entriesIn(options, batch.entityId, signal))
    if (entry.source.billing_run_id === batch.billingRunId) entries.push(entry)
  const file = join(options.csvDir, `${entityToken(batch.entityId)}-${batch.billingRunId}.csv`)
  await writeWhole(file, await csvOf(entries.map(recordOf)))
}

function recordOf(entry: JournalEntryWire): ConnectorRecord {
  const { journal_id: id, idempotency_key: key } = entry
  return { kind: 'journal', id, key, recordedAt: '', document: { ...entry } }
}
