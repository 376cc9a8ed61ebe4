// Reads entries of the audit trail from the table `audit_log`: all of them, or those of a question.

import type { ClickHouseClient } from '@clickhouse/client'
import { type AuditEntry, auditEntrySchema } from '../../schemas/audit/audit-entry.js'

export interface TableEntry {
  readonly entry: AuditEntry
  readonly streamSequence: number
}

export interface AuditQuestion {
  /** The whole name of an act, or its beginning followed by `*`. */
  readonly act?: string | undefined
  /** Id or name of the key, or `weir`. */
  readonly by?: string | undefined
  readonly object_kind?: string | undefined
  readonly object_id?: string | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** Entries before this sequence. */
  readonly before?: number | undefined
  readonly limit: number
}

const columns = `audit_sequence, previous_hash, entry_hash, entry_id, toUnixTimestamp64Milli(recorded_at) AS at_ms,
  by_kind, by_id, by_name, act, object_kind, object_id, reason, before, after, stream_sequence`

interface Row {
  readonly audit_sequence: string
  readonly previous_hash: string
  readonly entry_hash: string
  readonly entry_id: string
  readonly at_ms: string
  readonly by_kind: string
  readonly by_id: string
  readonly by_name: string
  readonly act: string
  readonly object_kind: string
  readonly object_id: string
  readonly reason: string
  readonly before: string
  readonly after: string
  readonly stream_sequence: string
}

/** Every row, in the order of the sequence. */
export async function entriesOfTable(clickhouse: ClickHouseClient): Promise<readonly TableEntry[]> {
  const query = `SELECT ${columns} FROM audit_log ORDER BY audit_sequence, stream_sequence`
  const result = await clickhouse.query({ query, format: 'JSONEachRow' })
  return (await result.json<Row>()).map(tableEntry)
}

/** The newest first. */
export async function askTable(
  clickhouse: ClickHouseClient,
  question: AuditQuestion,
): Promise<readonly AuditEntry[]> {
  const { act, by, object_kind, object_id, since, until, before, limit } = question
  const asked: [unknown, string][] = [
    [act, 'act LIKE {act:String}'],
    [by, '(by_id = {by:String} OR by_name = {by:String})'],
    [object_kind, 'object_kind = {object_kind:String}'],
    [object_id, 'object_id = {object_id:String}'],
    [since, "recorded_at >= parseDateTime64BestEffort({since:String}, 3, 'UTC')"],
    [until, "recorded_at < parseDateTime64BestEffort({until:String}, 3, 'UTC')"],
    [before, 'audit_sequence < {before:UInt64}'],
  ]
  const where = asked.flatMap(([value, condition]) => (value === undefined ? [] : [condition]))
  const query = `SELECT ${columns} FROM audit_log ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
    ORDER BY audit_sequence DESC LIMIT {limit:UInt32}`
  const pattern = act?.replace(/[\\%_]/g, '\\$&').replace(/\*$/, '%')
  const query_params = { ...question, act: pattern, limit }
  const result = await clickhouse.query({ query, format: 'JSONEachRow', query_params })
  return (await result.json<Row>()).map(row => tableEntry(row).entry)
}

/** What is no entry any more has a hash that does not fit, and so is found. */
function tableEntry(row: Row): TableEntry {
  const entry = {
    sequence: Number(row.audit_sequence),
    previous_hash: row.previous_hash,
    hash: row.entry_hash,
    entry_id: row.entry_id,
    at: new Date(Number(row.at_ms)).toISOString(),
    by: { kind: row.by_kind, id: row.by_id, name: row.by_name },
    act: row.act,
    object: { kind: row.object_kind, id: row.object_id },
    reason: row.reason === '' ? null : row.reason,
    before: jsonIn(row.before),
    after: jsonIn(row.after),
  }
  const parsed = auditEntrySchema.safeParse(entry)
  return {
    entry: parsed.success ? parsed.data : (entry as AuditEntry),
    streamSequence: Number(row.stream_sequence),
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return { unreadable: text }
  }
}
