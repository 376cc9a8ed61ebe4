// The documents that are read from HubSpot: a company, and a deal with its stage, line items and company. Each is whole as far as
// properties were asked for.

import { hash } from 'node:crypto'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { isRecord, stringifyJson } from '../../../schemas/json/json-text.js'
import type { CrmRecord } from '../quotes/deal.js'
import type { ArrivalDraft } from '../source-kind.js'

export interface CompanyDocument {
  readonly read: 'company'
  readonly at_ms: number
  readonly company: CrmRecord
  readonly above: readonly CrmRecord[]
}

export interface DealDocument {
  readonly read: 'deal'
  readonly at_ms: number
  readonly deal: CrmRecord
  /** Of the pipeline: its metadata says whether the deal is won. Null: no pipeline has it. */
  readonly stage: CrmRecord | null
  readonly line_items: readonly CrmRecord[]
  readonly company: CrmRecord | null
  readonly above: readonly CrmRecord[]
}

export type HubspotDocument = CompanyDocument | DealDocument

export function idOf(record: CrmRecord | null | undefined): string {
  const id = record?.['id']
  return typeof id === 'string' && /^\d{1,30}$/.test(id) ? id : ''
}

/** Its id is made of the content, not of when it was read. */
export function documentDraft(document: HubspotDocument): ArrivalDraft {
  const { at_ms: _, ...content } = document
  const record = document.read === 'deal' ? document.deal : document.company
  const changedMs = Date.parse(String(record['updatedAt'] ?? '')) || 0
  const digest = hash('sha256', canonicalJson(content), 'hex').slice(0, 16)
  return {
    id: `${document.read}/${idOf(record)}@${changedMs}.${digest}`,
    type: `read.${document.read}`,
    occurredAtMs: changedMs > 0 ? changedMs : document.at_ms,
    bytes: Buffer.from(stringifyJson(document)),
  }
}

/** Undefined: it is none. */
export function documentIn(value: CrmRecord): HubspotDocument | undefined {
  const records = (one: unknown) => (Array.isArray(one) ? one.filter(isRecord) : [])
  const record = (one: unknown) => (isRecord(one) ? one : null)
  if (!Number.isSafeInteger(value['at_ms'])) return undefined
  const base = { at_ms: value['at_ms'] as number, above: records(value['above']) }
  const [company, deal] = [record(value['company']), record(value['deal'])]
  if (value['read'] === 'company' && company !== null) return { read: 'company', ...base, company }
  if (value['read'] !== 'deal' || deal === null) return undefined
  const parts = { stage: record(value['stage']), line_items: records(value['line_items']) }
  return { read: 'deal', ...base, deal, ...parts, company }
}
