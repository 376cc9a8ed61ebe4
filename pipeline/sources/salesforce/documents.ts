// The arrivals of a source of kind `salesforce`: a change that was told (it names a record), and a document that was read: an
// account, or what was sold with all that belongs to it. Written by the reach, read by the mapping.
// Invariant: a document is whole: records with every field that they have, so that a mapping that is mended later finds what
// it did not read before.

import { hash } from 'node:crypto'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import { decodeUtf8, isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import type { CrmRecord } from '../quotes/deal.js'
import type { ArrivalDraft } from '../source-kind.js'

export interface ChangeTold {
  readonly told: 'change'
  readonly entity: string
  readonly record_id: string
  readonly change_type: string
  readonly origin: string
  readonly user: string
  readonly transaction: string
  readonly sequence: number
  readonly commit_ms: number
  readonly changed: readonly string[]
  readonly nulled: readonly string[]
  /** Of the fields that changed, those that were not cleared. */
  readonly values: CrmRecord
  readonly schema_id: string
  /** As it came, in base64. */
  readonly payload: string
}

export interface AccountDocument {
  readonly read: 'account'
  readonly at_ms: number
  readonly account: CrmRecord
  /** Those above it, the nearest first. */
  readonly above: readonly CrmRecord[]
}

export interface SoldDocument {
  readonly read: 'sold'
  readonly at_ms: number
  readonly root: string
  readonly account: CrmRecord | null
  readonly above: readonly CrmRecord[]
  readonly opportunity: CrmRecord | null
  /** The first is the root; then amendments and renewals. */
  readonly steps: readonly {
    readonly record: CrmRecord
    readonly lines: readonly CrmRecord[]
    readonly opportunity: CrmRecord | null
  }[]
  readonly contracts: readonly CrmRecord[]
  readonly subscriptions: readonly CrmRecord[]
}

export type SalesforceDocument = AccountDocument | SoldDocument

export function textOf(record: CrmRecord | null | undefined, field: string): string {
  const value = record?.[field]
  return typeof value === 'string' ? value : ''
}

/** The arrival of a document: its id is made of the records, not of when they were read. */
export function documentDraft(document: SalesforceDocument): ArrivalDraft {
  const { at_ms: _, ...content } = document
  const changedMs = latestChange(content)
  const digest = hash('sha256', canonicalJson(content), 'hex').slice(0, 16)
  const [object, id] =
    document.read === 'account' ? ['Account', textOf(document.account, 'Id')] : ['sold', document.root]
  return {
    id: `${object}/${id}@${changedMs}.${digest}`,
    type: `read.${document.read}`,
    occurredAtMs: changedMs,
    bytes: Buffer.from(stringifyJson(document)),
  }
}

/** The latest SystemModstamp anywhere in it. */
function latestChange(value: unknown): number {
  if (Array.isArray(value)) return Math.max(0, ...value.map(latestChange))
  if (!isRecord(value)) return 0
  const own = Date.parse(textOf(value, 'SystemModstamp'))
  return Math.max(Number.isNaN(own) ? 0 : own, ...Object.values(value).map(latestChange))
}

/** Undefined: nobody can read it. */
export function readDocument(bytes: Uint8Array): ChangeTold | SalesforceDocument | undefined {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  if (json?.kind !== 'ok' || !isRecord(json.value)) return undefined
  const { value } = json
  if (value['told'] === 'change') return changeOf(value)
  if (!Number.isSafeInteger(value['at_ms'])) return undefined
  const base = { at_ms: value['at_ms'] as number, above: recordsIn(value['above']) }
  if (value['read'] === 'account')
    return isRecord(value['account']) ? { read: 'account', ...base, account: value['account'] } : undefined
  if (value['read'] !== 'sold') return undefined
  const steps = recordsIn(value['steps']).map(one => ({
    record: recordIn(one['record']) ?? {},
    lines: recordsIn(one['lines']),
    opportunity: recordIn(one['opportunity']),
  }))
  return {
    read: 'sold',
    ...base,
    root: textOf(value, 'root'),
    account: recordIn(value['account']),
    opportunity: recordIn(value['opportunity']),
    steps,
    contracts: recordsIn(value['contracts']),
    subscriptions: recordsIn(value['subscriptions']),
  }
}

function changeOf(value: CrmRecord): ChangeTold {
  const texts = (one: unknown) => (Array.isArray(one) ? one.filter(of => typeof of === 'string') : [])
  const whole = (one: unknown) => (typeof one === 'number' && Number.isSafeInteger(one) ? one : 0)
  return {
    told: 'change',
    entity: textOf(value, 'entity'),
    record_id: textOf(value, 'record_id'),
    change_type: textOf(value, 'change_type'),
    origin: textOf(value, 'origin'),
    user: textOf(value, 'user'),
    transaction: textOf(value, 'transaction'),
    sequence: whole(value['sequence']),
    commit_ms: whole(value['commit_ms']),
    changed: texts(value['changed']),
    nulled: texts(value['nulled']),
    values: recordIn(value['values']) ?? {},
    schema_id: textOf(value, 'schema_id'),
    payload: textOf(value, 'payload'),
  }
}

function recordIn(value: unknown): CrmRecord | null {
  return isRecord(value) ? value : null
}

function recordsIn(value: unknown): readonly CrmRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}
