// The posting file for an ERP that takes CSV: one file per entity and billing run, one row per line of an entry.
// Invariants: written whole or not at all (a new file is renamed over the old one), the same run gives the same bytes,
// and no text cell starts a formula when a spreadsheet opens the file.

import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'csv-stringify/sync'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { entityToken } from '../../schemas/identifiers.js'

const columns = [
  'journal_id',
  'accounting_date',
  'entity_id',
  'currency',
  'account',
  'debit',
  'credit',
  'segments',
  'performance_obligation',
  'charge_id',
  'customer_id',
  'contract_id',
  'subscription_id',
  'subscription_version',
  'service_period_from',
  'service_period_until',
  'billing_run_id',
  'batch_id',
  'correlation_id',
] as const

export function postingCsv(entries: readonly JournalEntryWire[]): string {
  const rows = entries.flatMap(entry =>
    entry.lines.map(line => [
      entry.journal_id,
      entry.accounting_date,
      entry.entity_id,
      entry.currency,
      line.account,
      line.debit,
      line.credit,
      Object.entries(line.segments)
        .map(([name, value]) => `${name}=${value}`)
        .join(';'),
      entry.performance_obligation,
      entry.charge_id,
      entry.customer_id,
      entry.contract_id,
      entry.subscription_id,
      String(entry.subscription_version),
      entry.service_period.from,
      entry.service_period.until,
      entry.source.billing_run_id,
      entry.source.batch_id,
      entry.correlation_id,
    ]),
  )
  return stringify([[...columns], ...rows], { escape_formulas: true })
}

/** Returns the file's path. */
export async function writePostingCsv(
  folder: string,
  entityId: string,
  billingRunId: string,
  entries: readonly JournalEntryWire[],
): Promise<string> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${entityToken(entityId)}-${billingRunId}.csv`)
  const unfinished = `${file}.${process.pid}.part`
  await writeFile(unfinished, postingCsv(entries), { flush: true })
  await rename(unfinished, file)
  return file
}
