// How a customer stands, as connectors to CRM systems read it: typed, and by the names under which a configuration maps it to
// fields.
// Invariant: amounts stay decimal texts; an amount in a currency that the customer does not have is 0.

import { z } from 'zod'
import { issueWords } from '../../schemas/issue-words.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import { currencyFact, ofCurrency, whole } from './fact-names.js'

const decimal = z.string().regex(/^-?\d+(\.\d+)?$/)
const count = z.int().min(0)

const currencySchema = z.object({
  currency: z.string(),
  invoiced: decimal,
  paid: decimal,
  outstanding: decimal,
  overdue: decimal,
  open_invoices: count,
  overdue_invoices: count,
  dunning: z.string(),
  failed_since: z.string().nullable(),
  failed_attempts: count,
  last_reason: z.string(),
  at_stake: decimal,
})

export const standingSchema = z.object({
  standing_id: z.string(),
  customer_id: z.string(),
  entity_id: z.string(),
  as_of: z.string(),
  correlation_id: z.string(),
  dunning: z.string(),
  open_exceptions: count,
  exceptions_not_known: count,
  currencies: z.array(currencySchema),
})

export type StandingDocument = z.output<typeof standingSchema>
export type CurrencyStanding = StandingDocument['currencies'][number]

/** A value for a field; null empties it. */
export type FactValue =
  | { readonly type: 'number'; readonly text: string }
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'instant'; readonly text: string }
  | null

type Refused = Extract<PutOutcome, { kind: 'refused' }>

export function readStanding({
  document,
}: ConnectorRecord): { readonly kind: 'ok'; readonly standing: StandingDocument } | Refused {
  const parsed = standingSchema.safeParse(document)
  if (parsed.success) return { kind: 'ok', standing: parsed.data }
  return { kind: 'refused', code: 'invalid_record', detail: parsed.error.issues.map(issueWords).join('; ') }
}

/** `name` is one of `isFact`. */
export function factOf(standing: StandingDocument, name: string): FactValue {
  if (Object.hasOwn(whole, name)) {
    const key = name as keyof typeof whole
    return factValue(whole[key], standing[key])
  }
  const [, currency, fact = ''] = currencyFact.exec(name) ?? []
  const key = fact as keyof typeof ofCurrency
  const found = standing.currencies.find(one => one.currency === currency)
  if (found !== undefined) return factValue(ofCurrency[key], found[key])
  if (key === 'dunning') return { type: 'text', text: 'none' }
  return factValue(ofCurrency[key], ofCurrency[key] === 'number' ? '0' : '')
}

function factValue(type: 'number' | 'text' | 'instant', value: string | number | null): FactValue {
  if (value === null || value === '') return null
  return { type, text: String(value) }
}
