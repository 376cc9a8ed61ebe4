// Which deliveries are meant: the filter of the list and of a request, and its condition in SQL.

import { z } from 'zod'
import { deliveryStates } from '../../schemas/billing/delivery.js'
import { recordKinds } from '../../sinks/connector.js'

const texts = z.preprocess(
  value => (value === undefined || Array.isArray(value) ? value : [value]),
  z.array(z.string().min(1).max(1_000)).min(1).max(1_000).optional(),
)
const oneOf = <T extends readonly [string, ...string[]]>(values: T) =>
  z.preprocess(
    value => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(z.enum(values)).min(1).optional(),
  )

/** Each key may be given several times, for one of several values. */
export const filterShape = {
  connection: texts.describe('The name of the connection'),
  state: oneOf(deliveryStates).describe('The state in which it is now'),
  kind: oneOf(recordKinds).describe('The kind of the record'),
  record: texts.describe('The id of the record: a journal_id, or the id of a batch line'),
  customer: texts.describe('A customer_id'),
  entity: texts.describe('An entity_id'),
  code: texts.describe('The code of its last answer, or of what holds it'),
  id: texts.describe('A delivery_id'),
}

export const filterSchema = z.strictObject(filterShape).meta({ id: 'DeliveryFilter' })
export type DeliveryFilter = z.output<typeof filterSchema>

export interface Conditions {
  /** Of what never changes in a delivery; for WHERE. */
  readonly where: readonly string[]
  /** Of how it stands now; for HAVING. */
  readonly having: readonly string[]
  readonly values: Readonly<Record<string, readonly string[]>>
}

const fixed = {
  connection: 'v.connection',
  kind: 'v.record_kind',
  record: 'v.record_id',
  customer: 'v.customer_id',
  entity: 'v.entity_id',
  id: 'v.delivery_id',
} as const
const current = { state: 'state_now', code: 'code_now' } as const

export function conditionsOf(filter: DeliveryFilter): Conditions {
  const values: Record<string, readonly string[]> = {}
  const conditions = (columns: Readonly<Record<string, string>>): string[] =>
    Object.entries(columns).flatMap(([key, column]) => {
      const wanted = filter[key as keyof DeliveryFilter]
      if (wanted === undefined) return []
      values[key] = wanted
      return [`${column} IN {${key}: Array(String)}`]
    })
  return { where: conditions(fixed), having: conditions(current), values }
}
