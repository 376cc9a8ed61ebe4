// Which field of a CRM's record is which of ours. A kind has the usual names; a mapping file may name others.
// Invariant: a value that is missing is undefined, one of another type is a fault; numbers keep every digit.

import { Temporal } from 'temporal-polyfill'
import { isRecord } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import type { MapContext } from '../source-kind.js'
import type { CrmRecord } from './deal.js'

export const fieldNames = {
  quote: ['start', 'end', 'term_months', 'close_date', 'currency', 'entity', 'terms', 'frequency'],
  line: [
    ...['product', 'quantity', 'unit_price', 'list_price', 'prorated_by', 'start', 'end'],
    ...['frequency', 'bundle', 'group', 'discount', 'discount_percent', 'term'],
  ],
  account: ['name', 'parent', 'bill_to', 'country', 'currency', 'entity'],
} as const

export type FieldPlace = keyof typeof fieldNames
export const fieldPlaces = ['quote', 'line', 'account'] as const
/** By place and name of ours: a path with dots. */
export type Fields = Readonly<Record<FieldPlace, Readonly<Record<string, string>>>>

export function mergedFields(usual: Fields, other: Fields): Fields {
  return {
    quote: { ...usual.quote, ...other.quote },
    line: { ...usual.line, ...other.line },
    account: { ...usual.account, ...other.account },
  }
}

/** What reading a record needs of a mapping. */
export type RecordContext = Pick<MapContext<{ readonly timezone: string }>, 'fault' | 'rules'>

/** Reads the fields of one record. */
export class RecordReader {
  readonly #names: Readonly<Record<string, string>>
  readonly #pointer: string
  readonly #context: RecordContext
  readonly record: CrmRecord

  constructor(
    record: CrmRecord,
    pointer: string,
    names: Readonly<Record<string, string>>,
    context: RecordContext,
  ) {
    this.record = record
    this.#pointer = pointer
    this.#names = names
    this.#context = context
  }

  /** The CRM's word for a field of ours, for people. */
  named(field: string): string {
    return this.#names[field] ?? field
  }

  pointer(field: string): string {
    return `${this.#pointer}/${this.named(field).replaceAll('.', '/')}`
  }

  fault(field: string, code: string, detail: string): undefined {
    this.#context.fault(code, `${this.named(field)}: ${detail}`, this.pointer(field))
  }

  text(field: string): string | undefined {
    const value = this.#value(field)
    if (value === undefined) return undefined
    const text = scalarText(value)
    if (typeof text === 'string') return text === '' ? undefined : text
    return this.fault(field, 'invalid_value', 'it is no text.')
  }

  decimal(field: string): Scaled | undefined {
    const text = this.text(field)
    if (text === undefined) return undefined
    const parsed = parseDecimal(text)
    if (parsed.kind === 'ok') return parsed.value
    return this.fault(field, 'invalid_value', 'it is no decimal, or has too many digits.')
  }

  /** A local day, `2026-02-28`; of an instant its day in the time zone of the mapping. */
  day(field: string): string | undefined {
    const text = this.text(field)
    if (text === undefined) return undefined
    const day = dayIn(text, this.#context.rules.timezone)
    const ms = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`)
    const isDay = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day ?? '')
    return isDay && ms >= 0 && ms < 7e12 ? day : this.fault(field, 'invalid_value', 'it is no day.')
  }

  #value(field: string): unknown {
    const path = this.#names[field]
    if (path === undefined) return undefined
    let value: unknown = this.record
    for (const name of path.split('.')) {
      if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined
      value = value[name]
    }
    return value ?? undefined
  }
}

const dayMs = 86_400_000

/** An instant at midnight in UTC is a day, since CRMs write days so where a field has a time. Without an offset it is local. */
function dayIn(text: string, timezone: string): string | undefined {
  const [, day, offset] = /^(\d{4}-\d{2}-\d{2})(?:T[\d:.]{5,18}(Z|[+-]\d{2}:?\d{2})?)?$/.exec(text) ?? []
  const ms = offset === undefined ? Number.NaN : Date.parse(text)
  if (offset !== undefined && Number.isNaN(ms)) return undefined
  if (offset === undefined || ms % dayMs === 0) return day
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(timezone).toPlainDate().toString()
}
