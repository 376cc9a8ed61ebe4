// What a CRM sold, as its kind has read it: the account, and each quote of one contract with its lines, whole. The fields stand
// in the records as the CRM has them; which field is which the mapping says (fields.ts).

import { isRecord } from '../../../schemas/json/json-text.js'

export type CrmRecord = Readonly<Record<string, unknown>>

/** Its fields where a rule for ids looks, also those that a CRM keeps below `properties`. */
export function metadataOf(record: CrmRecord): CrmRecord {
  const { properties } = record
  return isRecord(properties) ? { ...record, ...properties } : record
}

export interface Deal {
  /** Of the first quote: the subscription is made of it. */
  readonly id: string
  /** On every event. */
  readonly correlationId: string
  /** The latest change of anything in it, in milliseconds: whoever tells it later wins. */
  readonly version: number
  readonly account: DealAccount | undefined
  /** The first is new; amendments and renewals follow in the order in which they begin. */
  readonly steps: readonly DealStep[]
  readonly contractId: string | undefined
  /** The last local day, where the contract was ended before its time. */
  readonly endedOn: string | undefined
}

export const stepKinds = ['new', 'amendment', 'renewal'] as const

export interface DealStep {
  readonly kind: (typeof stepKinds)[number]
  readonly record: CrmRecord
  /** JSON pointer of the record in the arrival. */
  readonly pointer: string
  readonly lines: readonly DealLine[]
}

export interface DealLine {
  readonly id: string
  readonly record: CrmRecord
  readonly pointer: string
}

export interface DealAccount {
  readonly id: string
  readonly record: CrmRecord
  readonly pointer: string
  /** Those above it, the nearest first, as far as they were read. */
  readonly above: readonly CrmRecord[]
  /** Id of an account in a record of `above`. */
  readonly idField: string
}
