// The CSV of an entity: a file for each billing run, and one for each order of releases, made of what POSTINGS holds.
// Invariant: a file is written as its postings are read; none is held.

import { join } from 'node:path'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import { csvOf } from '../../sinks/files/formats.js'
import { writeWhole } from '../../sinks/files/whole-file.js'
import { readStretch } from '../broker/read-stream.js'
import { type BookParts, bookSubjects, firstPostingOf } from './book.js'

/** Reads from the first posting of the run on, not the whole stream. */
export async function writeCsvOfRun(
  parts: BookParts,
  csvDir: string,
  { token, runId }: { readonly token: string; readonly runId: string },
  signal: AbortSignal,
): Promise<void> {
  // The library's type leaves `next_by_subj` out; the server has it since 2.8.
  const query = { seq: 1, next_by_subj: `billing.${token}.${runId}` }
  const first = await parts.jsm.streams.getMessage('BILLING', query)
  const from = await firstPostingOf(parts, token, first?.seq ?? 0)
  const isOfRun = ({ source }: JournalEntryWire) =>
    source.billing_run_id === runId && source.release_id === ''
  await write(parts, join(csvDir, `${token}-${runId}.csv`), { token, from, isOfRun }, signal)
}

export function writeCsvOfReleases(
  parts: BookParts,
  csvDir: string,
  { token, releaseId, from }: { readonly token: string; readonly releaseId: string; readonly from: number },
  signal: AbortSignal,
): Promise<void> {
  const isOfRun = ({ source }: JournalEntryWire) => source.release_id === releaseId
  return write(parts, join(csvDir, `${token}-${releaseId}.csv`), { token, from, isOfRun }, signal)
}

interface Wanted {
  readonly token: string
  readonly from: number
  readonly isOfRun: (entry: JournalEntryWire) => boolean
}

async function write(parts: BookParts, file: string, wanted: Wanted, signal: AbortSignal): Promise<void> {
  await writeWhole(file, csvOf('journal', recordsOf(parts, wanted, signal)))
}

async function* recordsOf(
  { js }: BookParts,
  { token, from, isOfRun }: Wanted,
  signal: AbortSignal,
): AsyncGenerator<ConnectorRecord> {
  const stretch = { stream: 'POSTINGS', filterSubject: bookSubjects.postings(token), from }
  for await (const message of readStretch(js, stretch, signal)) {
    const entry = message.json<JournalEntryWire>()
    if (isOfRun(entry)) yield recordOf(entry)
  }
}

function recordOf(entry: JournalEntryWire): ConnectorRecord {
  const { journal_id: id, idempotency_key: key } = entry
  return { kind: 'journal', id, key, recordedAt: '', document: { ...entry } }
}
