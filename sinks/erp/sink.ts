// The ERP sink: billing batches in, journal entries out, to the stream `POSTINGS` and as CSV.
// Invariants:
// 1. The entries of one batch are posted together, in one atomic batch behind the last posting of their entity, under
//    a fence. That last posting names the batch it came from, so what is posted is read from the stream itself.
// 2. A batch whose accounts the mapping does not name is not posted, and nothing after it: the mapping is read again at
//    every attempt, so that mending the file is all there is to do.

import { readFile } from 'node:fs/promises'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { type BillingBatch, batchFromWire } from '../../schemas/billing-batch.js'
import { entityToken } from '../../schemas/identifiers.js'
import { type JournalEntryWire, journalToWire } from '../../schemas/journal-entry.js'
import { publishBatch } from '../atomic-batch.js'
import { brokerUnavailable } from '../broker-outcome.js'
import { readStretch } from '../read-stream.js'
import type { FeedMessage, FeedRange, Sink, SinkOutcome } from '../sink.js'
import { type AccountMapping, parseAccountMapping } from './config.js'
import { writePostingCsv } from './csv-file.js'
import { entriesOf, type Recognise } from './records.js'

export interface ErpSinkOptions {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  readonly accountsFile: string
  /** Where CSV files go; absent: none are written. */
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
  }
}

async function post(options: ErpSinkOptions, range: FeedRange, signal: AbortSignal): Promise<SinkOutcome> {
  if (range.messages.length === 0) return { kind: 'ok', rows: 0 }
  const mapping = await readMapping(options.accountsFile)
  if ('code' in mapping) return mapping
  let rows = 0
  const files = new Map<string, BillingBatch>()
  for (const message of range.messages) {
    const parsed = batchFromWire(JSON.parse(new TextDecoder().decode(message.bytes)))
    if (parsed.kind === 'rejected') {
      const detail = `message ${message.sequence} of BILLING: ${parsed.rejection.detail}`
      return { kind: 'rejected', code: 'invalid_billing_batch', detail }
    }
    const batch = parsed.value
    const posted = await postBatch(options, message, batch, mapping)
    if (typeof posted !== 'number') return posted
    rows += posted
    files.set(`${entityToken(batch.entityId)}.${batch.billingRunId}`, batch)
  }
  for (const batch of files.values()) await writeCsv(options, batch, signal)
  return { kind: 'ok', rows }
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

/** Returns how many entries were posted, 0 when they were there. */
async function postBatch(
  options: ErpSinkOptions,
  message: FeedMessage,
  batch: BillingBatch,
  mapping: AccountMapping,
): Promise<number | Refusal> {
  const cutoffNs = await options.cutoffNsOf(batch.billingRunId)
  if (cutoffNs === undefined) {
    return { kind: 'rejected', code: 'unknown_billing_run', detail: `no billing run ${batch.billingRunId}` }
  }
  const made = entriesOf(batch, mapping, charge => options.recognise(charge, cutoffNs))
  if (made.kind === 'refused') return { kind: 'rejected', code: made.code, detail: made.detail }
  const natsSubject = `postings.${entityToken(batch.entityId)}`
  const outgoing = made.entries.map(entry => ({
    natsSubject,
    bytes: new TextEncoder().encode(JSON.stringify(journalToWire(entry))),
    headers: { [sourceHeader]: String(message.sequence) },
  }))
  if (outgoing.length === 0) return 0
  for (;;) {
    const last = await options.jsm.streams.getMessage('POSTINGS', { last_by_subj: natsSubject })
    if (last !== null && Number(last.header.get(sourceHeader)) >= message.sequence) return 0 // invariant 1
    const fence = { lastSubjectSequence: last?.seq ?? 0 }
    const outcome = await publishBatch(options.nc, outgoing, fence, options.timeoutMs)
    if (outcome.kind === 'stored') return outgoing.length
    if (outcome.kind !== 'fenced') throw new Error(`${outcome.kind}: ${outcome.detail}`)
  }
}

/** The file of a run is written from what `POSTINGS` holds of it. */
async function writeCsv(options: ErpSinkOptions, batch: BillingBatch, signal: AbortSignal): Promise<void> {
  if (options.csvDir === undefined) return
  const filterSubject = `postings.${entityToken(batch.entityId)}`
  const entries: JournalEntryWire[] = []
  for await (const message of readStretch(
    options.js,
    { stream: 'POSTINGS', filterSubject, from: 1 },
    signal,
  )) {
    const entry = message.json<JournalEntryWire>()
    if (entry.source.billing_run_id === batch.billingRunId) entries.push(entry)
  }
  await writePostingCsv(options.csvDir, batch.entityId, batch.billingRunId, entries)
}
