// Turns the messages of a range into inserts: one Arrow stream per table.
// Rows from LEDGER are in Arrow already; they are joined and never decoded.

import { arrivalEventsTable, arrivalsTable } from '../../schemas/arrival-tables.js'
import { encodeRows } from '../../schemas/arrow/arrow-rows.js'
import { joinStreams } from '../../schemas/arrow/arrow-streams.js'
import { type AuditEntry, auditEntrySchema } from '../../schemas/audit/audit-entry.js'
import { type AuditLogRow, auditLogTable } from '../../schemas/audit/audit-log-table.js'
import { batchFromWire } from '../../schemas/billing/billing-batch.js'
import { type DeliveryStep, deliveryStepSchema } from '../../schemas/billing/delivery.js'
import { journalEntrySchema } from '../../schemas/billing/journal-entry.js'
import {
  type JournalEntryRow,
  type JournalSummaryRow,
  journalEntriesTable,
  journalSummariesTable,
  type RevenueScheduleRow,
  revenueScheduleTable,
} from '../../schemas/billing/journal-tables.js'
import { resolutionMessageSchema } from '../../schemas/exception-resolution.js'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import type { TableDescription } from '../../schemas/table-description.js'
import {
  type BatchLineRow,
  type BillingBatchRow,
  batchLinesTable,
  billingBatchesTable,
  type DeliveryRow,
  deliveriesTable,
  type ExceptionResolutionRow,
  exceptionResolutionsTable,
  tables,
} from '../../schemas/tables.js'
import type { FeedMessage, RefusedRecord } from '../sink.js'
import { rowsOfLines } from './batch-line-rows.js'
import { taxColumnsOf } from './tax-columns.js'

export interface TableInsert {
  readonly table: string
  /** Name of the insert within its range: the table, with a number if the table needs several inserts. */
  readonly name: string
  /** One Arrow stream, in pieces. */
  readonly parts: readonly Uint8Array[]
}

export type RangeInserts =
  /** `refused`: messages that cannot become a row; the other messages go on. */
  | {
      readonly kind: 'ok'
      readonly inserts: readonly TableInsert[]
      readonly refused?: readonly Omit<RefusedRecord, 'token'>[]
    }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string }

/** Tables whose rows are made here, of the messages of a stream of their own. */
const streamTables: ReadonlySet<string> = new Set([
  billingBatchesTable.name,
  batchLinesTable.name,
  journalEntriesTable.name,
  revenueScheduleTable.name,
  journalSummariesTable.name,
  deliveriesTable.name,
  exceptionResolutionsTable.name,
  auditLogTable.name,
  arrivalsTable.name,
  arrivalEventsTable.name,
])

/** Tables whose rows arrive as Arrow streams on `ledger.<partition>.<table>`. */
export const ledgerTables: readonly string[] = tables
  .map(table => table.name as string)
  .filter(name => !streamTables.has(name))

/** The subjects of LEDGER that the feed of the ClickHouse sink reads. */
export const ledgerSubjects: readonly string[] = ledgerTables.map(table => `ledger.*.${table}`)

/** Inserts for messages of LEDGER, by table, in stream order. */
export function insertsOfLedger(messages: readonly FeedMessage[]): RangeInserts {
  const byTable = new Map<string, Uint8Array[]>()
  for (const { natsSubject, bytes, sequence } of messages) {
    const table = natsSubject.split('.')[2] ?? ''
    if (!ledgerTables.includes(table))
      return { kind: 'rejected', code: 'unknown_table', detail: `message ${sequence}: ${natsSubject}` }
    const streams = byTable.get(table)
    if (streams === undefined) byTable.set(table, [bytes])
    else streams.push(bytes)
  }
  const inserts: TableInsert[] = []
  for (const [table, streams] of byTable) inserts.push(...insertsOfTable(table, streams))
  return { kind: 'ok', inserts }
}

/**
 * One insert, or one per message if a column was added by a release within the range. In both cases the same
 * messages give the same inserts, as their tokens require.
 */
function insertsOfTable(table: string, streams: readonly Uint8Array[]): TableInsert[] {
  const parts = joinStreams(streams)
  if (parts !== undefined) return [{ table, name: table, parts }]
  return streams.map((bytes, index) => ({ table, name: `${table}:${index}`, parts: [bytes] }))
}

/** Messages of BILLING, one billing batch each. One that contradicts its own control totals is refused. */
export function insertsOfBilling(messages: readonly FeedMessage[]): RangeInserts {
  const rows: BillingBatchRow[] = []
  const lines: BatchLineRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = batchFromWire(jsonOf(message))
    if (parsed.kind === 'rejected') {
      refused.push(malformed(billingBatchesTable.name, 'billing_batch', message, parsed.rejection.detail))
      continue
    }
    const { batchId, billingRunId, entityId, currency, number, of, control } = parsed.value
    const { lineCount, amountTotal, amountRoundedTotal, sha256 } = control
    const [sealedAtMs, streamSequence] = [message.storedAtMs ?? 0, message.sequence]
    const totals = { lineCount, amountTotal, amountRoundedTotal, sha256 }
    rows.push({
      batchId,
      billingRunId,
      entityId,
      currency,
      number,
      of,
      ...totals,
      sealedAtMs,
      streamSequence,
    })
    lines.push(...rowsOfLines(parsed.value, sealedAtMs, streamSequence))
  }
  return {
    kind: 'ok',
    inserts: [...insertOf(billingBatchesTable, rows), ...insertOf(batchLinesTable, lines)],
    refused,
  }
}

/** Messages of POSTINGS, one entry each: a row per line of the entry and per part of its schedule. */
export function insertsOfPostings(messages: readonly FeedMessage[]): RangeInserts {
  const rows: JournalEntryRow[] = []
  const parts: RevenueScheduleRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = journalEntrySchema.safeParse(jsonOf(message))
    if (!parsed.success) {
      refused.push(malformed(journalEntriesTable.name, 'journal_entry', message, parsed.error.message))
      continue
    }
    rows.push(...rowsOfEntry(parsed.data, message))
    parts.push(...rowsOfSchedule(parsed.data, message))
  }
  const inserts = [...insertOf(journalEntriesTable, rows), ...insertOf(revenueScheduleTable, parts)]
  return { kind: 'ok', inserts, refused }
}

/** Messages of POSTINGS that add up others: a row per line. */
export function insertsOfSummaries(messages: readonly FeedMessage[]): RangeInserts {
  const rows: JournalSummaryRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = journalEntrySchema.safeParse(jsonOf(message))
    if (parsed.success) rows.push(...rowsOfSummary(parsed.data, message))
    else refused.push(malformed(journalSummariesTable.name, 'summary', message, parsed.error.message))
  }
  return { kind: 'ok', inserts: insertOf(journalSummariesTable, rows), refused }
}

/** Messages of DELIVERIES, with one row per delivery that changed. */
export function insertsOfDeliveries(messages: readonly FeedMessage[]): RangeInserts {
  const rows: DeliveryRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = deliveryStepSchema.safeParse(jsonOf(message))
    if (parsed.success) rows.push(...rowsOfStep(parsed.data, message.sequence))
    else refused.push(malformed(deliveriesTable.name, 'delivery_step', message, parsed.error.message))
  }
  return { kind: 'ok', inserts: insertOf(deliveriesTable, rows), refused }
}

/** Messages of RESOLUTIONS, with one row per exception that was answered. */
export function insertsOfResolutions(messages: readonly FeedMessage[]): RangeInserts {
  const rows: ExceptionResolutionRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = resolutionMessageSchema.safeParse(jsonOf(message))
    if (!parsed.success) {
      refused.push(malformed(exceptionResolutionsTable.name, 'resolution', message, parsed.error.message))
      continue
    }
    const { resolution, at, key_id, key_name, job_id, reason, exceptions } = parsed.data
    for (const one of exceptions)
      rows.push({
        exceptionId: one.exception_id,
        exceptionKind: one.kind,
        resolution,
        code: one.code,
        eventSource: one.event_source,
        eventId: one.event_id,
        customerId: one.customer_id,
        revision: one.revision,
        jobId: job_id ?? '',
        reason,
        keyId: key_id ?? '',
        keyName: key_name ?? '',
        resolvedAtMs: Date.parse(at),
        streamSequence: message.sequence,
      })
  }
  return { kind: 'ok', inserts: insertOf(exceptionResolutionsTable, rows), refused }
}

/** Messages of AUDIT, one entry each, in canonical JSON where the entry has a value of any shape. */
export function insertsOfAudit(messages: readonly FeedMessage[]): RangeInserts {
  const rows: AuditLogRow[] = []
  const refused: Omit<RefusedRecord, 'token'>[] = []
  for (const message of messages) {
    const parsed = auditEntrySchema.safeParse(jsonOf(message))
    if (parsed.success) rows.push(rowOfEntry(parsed.data, message.sequence))
    else refused.push(malformed(auditLogTable.name, 'audit_entry', message, parsed.error.message))
  }
  return { kind: 'ok', inserts: insertOf(auditLogTable, rows), refused }
}

function rowOfEntry(entry: AuditEntry, streamSequence: number): AuditLogRow {
  const { sequence, previous_hash, hash, entry_id, at, by, act, object, reason, before, after } = entry
  return {
    auditSequence: sequence,
    previousHash: previous_hash,
    entryHash: hash,
    entryId: entry_id,
    recordedAtMs: Date.parse(at),
    byKind: by.kind,
    byId: by.id,
    byName: by.name,
    act,
    objectKind: object.kind,
    objectId: object.id,
    reason: reason ?? '',
    before: canonicalJson(before),
    after: canonicalJson(after),
    streamSequence,
  }
}

function rowsOfStep({ changed }: DeliveryStep, streamSequence: number): DeliveryRow[] {
  return changed.map(one => {
    const last = one.attempts.at(-1)
    return {
      deliveryId: one.delivery_id,
      connection: one.connection,
      recordKind: one.record.kind,
      recordId: one.record.id,
      key: one.key,
      state: one.state,
      externalId: one.external_id ?? '',
      changedAtMs: Date.parse(one.at),
      attemptCount: one.attempt_count,
      outcome: last?.outcome ?? '',
      code: (one.held ?? last)?.code ?? '',
      detail: one.held === undefined ? (last?.detail ?? '') : detailOfHold(one.held),
      customerId: one.customer_id ?? '',
      entityId: one.entity_id ?? '',
      correlationId: one.correlation_id ?? '',
      streamSequence,
    }
  })
}

function detailOfHold({ detail, would }: NonNullable<DeliveryStep['changed'][number]['held']>): string {
  return would === undefined ? detail : `${detail}; ${would}`
}

export function insertOf<R>(table: TableDescription<R>, rows: readonly R[]): TableInsert[] {
  if (rows.length === 0) return []
  return [{ table: table.name, name: table.name, parts: [encodeRows(table, rows)] }]
}

function rowsOfEntry(entry: ParsedEntry, message: FeedMessage): JournalEntryRow[] {
  return entry.lines.map(({ account, role = '', debit, credit, segments, tax }, index) => ({
    journalId: entry.journal_id,
    idempotencyKey: entry.idempotency_key,
    line: index + 1,
    entityId: entry.entity_id,
    currency: entry.currency,
    accountingDate: entry.accounting_date,
    account,
    debit,
    credit,
    segments: new Map(Object.entries(segments)),
    periodFromNs: entry.service_period.from,
    periodUntilNs: entry.service_period.until,
    ...originOf(entry, message),
    entryKind: entry.kind,
    role,
    accountingPeriod: entry.accounting_period,
    movedFrom: entry.moved_from ?? '',
    corrects: entry.corrects,
    plan: entry.plan,
    planVersion: entry.plan_version,
    price: entry.price,
    meter: entry.meter,
    chargeKind: entry.charge_kind,
    timing: entry.timing,
    firstServiceDay: entry.service_days?.first ?? '',
    lastServiceDay: entry.service_days?.last ?? '',
    timezone: entry.timezone,
    releaseId: entry.source.release_id,
    releasesJournalId: entry.releases?.journal_id ?? '',
    releasesPart: entry.releases?.part ?? 0,
    ...taxColumnsOf(tax),
  }))
}

function rowsOfSummary(entry: ParsedEntry, message: FeedMessage): JournalSummaryRow[] {
  return entry.lines.map(({ account, role = '', debit, credit, segments }, index) => ({
    journalId: entry.journal_id,
    line: index + 1,
    entityId: entry.entity_id,
    currency: entry.currency,
    accountingDate: entry.accounting_date,
    accountingPeriod: entry.accounting_period,
    account,
    role,
    debit,
    credit,
    segments: new Map(Object.entries(segments)),
    billingRunId: entry.source.billing_run_id,
    releaseId: entry.source.release_id,
    coversFrom: entry.covers?.from ?? 0,
    coversTo: entry.covers?.to ?? 0,
    postedAtMs: message.storedAtMs ?? 0,
    streamSequence: message.sequence,
  }))
}

function rowsOfSchedule(entry: ParsedEntry, message: FeedMessage): RevenueScheduleRow[] {
  return (entry.schedule ?? []).map(({ month, from, until, amount }, index) => ({
    journalId: entry.journal_id,
    part: index + 1,
    entityId: entry.entity_id,
    currency: entry.currency,
    month,
    earnedFromNs: from,
    earnedUntilNs: until,
    amount,
    ...originOf(entry, message),
  }))
}

function originOf(entry: ParsedEntry, message: FeedMessage) {
  return {
    chargeId: entry.charge_id,
    contractId: entry.contract_id,
    customerId: entry.customer_id,
    subscriptionId: entry.subscription_id,
    subscriptionVersion: entry.subscription_version,
    performanceObligation: entry.performance_obligation,
    correlationId: entry.correlation_id,
    billingRunId: entry.source.billing_run_id,
    batchId: entry.source.batch_id,
    postedAtMs: message.storedAtMs ?? 0,
    streamSequence: message.sequence,
  }
}

type ParsedEntry = ReturnType<typeof journalEntrySchema.parse>

export function jsonOf(message: FeedMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(message.bytes))
  } catch {
    return undefined // no schema accepts undefined
  }
}

export function malformed(
  table: string,
  what: string,
  { sequence, bytes }: FeedMessage,
  detail: string,
): Omit<RefusedRecord, 'token'> {
  const content = new TextDecoder().decode(bytes).slice(0, maxContentLength)
  const reason = { code: `malformed_${what}`, detail: `message ${sequence}: ${detail}` }
  return { name: `${table}:${sequence}`, sequence, table, ...reason, content, bytes: '' }
}

const maxContentLength = 64 * 1024
