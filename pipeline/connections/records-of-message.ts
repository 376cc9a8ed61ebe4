// The records of a message of POSTINGS or BILLING for a connection: one journal, or a billing batch's lines.
// Invariant: a record's id and key follow from the record alone, so each reading gives the same delivery.

import { batchFromWire, lineIdOf } from '../../schemas/billing/billing-batch.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import { type JournalEntryWire, journalEntrySchema } from '../../schemas/billing/journal-entry.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { FeedMessage, RefusedRecord } from '../../sinks/sink.js'
import type { TakenIn } from '../deliver/feed.js'

const maxContentLength = 64 * 1024

export function journalOf(message: FeedMessage): TakenIn {
  const value = jsonOf(message)
  const parsed = journalEntrySchema.safeParse(value)
  if (!parsed.success) return malformed('journal_entry', message, parsed.error.message)
  const document = value as JournalEntryWire
  const { journal_id: id, idempotency_key: key } = document
  const kind = parsed.data.kind === 'release' ? 'release' : 'journal'
  const after = afterOf(parsed.data.releases?.journal_id ?? parsed.data.corrects)
  return {
    records: [{ kind, id, key, recordedAt: recordedAt(message), document: { ...document }, ...after }],
  }
}

export function batchLinesOf(message: FeedMessage): TakenIn {
  const parsed = batchFromWire(jsonOf(message))
  if (parsed.kind === 'rejected') return malformed('billing_batch', message, parsed.rejection.detail)
  const { batchId, lines } = parsed.value
  const records = lines.map((line): ConnectorRecord => {
    const id = lineIdOf(batchId, line.chargeId)
    const document = { ...chargeToWire(line), batch_id: batchId }
    const after = afterOf(document.corrects)
    return { kind: 'batch_line', id, key: id, recordedAt: recordedAt(message), document, ...after }
  })
  return { records }
}

/** A release goes after the entry that deferred the amount; a correction after what posts or bills the charge that it corrects. */
function afterOf(name: string | null | undefined): Pick<ConnectorRecord, 'after'> {
  return name === undefined || name === null || name === '' ? {} : { after: name }
}

function recordedAt({ storedAtMs = 0 }: FeedMessage): string {
  return formatInstantMs(storedAtMs)
}

export function jsonOf({ bytes }: FeedMessage): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined // which no schema accepts
  }
}

export function malformed(what: string, { sequence, bytes }: FeedMessage, detail: string): TakenIn {
  const refused: RefusedRecord = {
    name: `message:${sequence}`,
    sequence,
    table: 'deliveries',
    code: `malformed_${what}`,
    detail: `message ${sequence}: ${detail}`.slice(0, 2_000),
    content: new TextDecoder().decode(bytes).slice(0, maxContentLength),
    bytes: '',
    token: '',
  }
  return { records: [], refused }
}
