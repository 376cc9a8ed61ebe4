// A line of a billing batch as connectors to billing systems read it: typed, with its amount in whole minor units and the
// days that it bills.
// Invariant: amounts and quantities stay whole numbers or decimal texts; none goes through a double.

import { Temporal } from 'temporal-polyfill'
import { z } from 'zod'
import { type Charge, chargeSchema } from '../schemas/billing/charge.js'
import { minorUnits } from '../schemas/money/currency.js'
import { decimalScale, formatScaled } from '../schemas/money/decimal.js'
import { nsPerMs } from '../schemas/time.js'
import type { ConnectorRecord, PutOutcome } from './connector.js'

const batchLineSchema = chargeSchema.extend({ batch_id: z.string() })

export type BatchLineDocument = z.output<typeof batchLineSchema>

export interface BatchLine {
  readonly line: BatchLineDocument
  /** The rounded amount in whole minor units of ISO 4217; negative where it gives back. */
  readonly minorAmount: bigint
  /** The rounded amount and the quantity as decimal texts. */
  readonly amount: string
  readonly quantity: string
  /** The local days that it bills: `YYYY-MM-DD`. */
  readonly days: { readonly first: string; readonly last: string }
  /** The last of them, or the first of a line that is billed in advance. */
  readonly date: string
  /** Epoch seconds of the beginning of its service period, and of the last second in it. */
  readonly fromSeconds: number
  readonly lastSecond: number
}

type Refused = Extract<PutOutcome, { kind: 'refused' }>
export type ReadBatchLine = ({ readonly kind: 'ok' } & BatchLine) | Refused

export function readBatchLine({ document }: ConnectorRecord): ReadBatchLine {
  const parsed = batchLineSchema.safeParse(document)
  if (!parsed.success)
    return invalidRecord(parsed.error.issues.map(one => `${one.path.join('.')}: ${one.message}`).join('; '))
  const line = parsed.data
  const { currency, timezone, service_period: period } = line
  const amount = formatScaled(line.amount_rounded)
  const digits = minorUnits(currency)
  const minorAmount = digits === undefined ? undefined : wholeUnits(line.amount_rounded, digits)
  if (minorAmount === undefined) return invalidRecord(`${amount} is no amount in ${currency}`)
  const lastNs = period.until > period.from ? period.until - 1n : period.from
  const days = { first: localDay(period.from, timezone), last: localDay(lastNs, timezone) }
  const { from: fromNs, until: untilNs } = period
  return {
    kind: 'ok',
    line,
    minorAmount,
    amount,
    quantity: formatScaled(line.quantity),
    days,
    date: billingDateOf({ fromNs, untilNs, timing: line.timing, timezone }),
    fromSeconds: secondsOf(period.from),
    lastSecond: secondsOf(lastNs),
  }
}

/** The last local day of its service period, or the first of a line that is billed in advance: `YYYY-MM-DD`. */
export function billingDateOf({
  fromNs,
  untilNs,
  timing,
  timezone,
}: Pick<Charge, 'fromNs' | 'untilNs' | 'timing' | 'timezone'>): string {
  return localDay(timing === 'in_advance' || untilNs <= fromNs ? fromNs : untilNs - 1n, timezone)
}

/** An amount in units of 10^-digits; undefined when it is not a whole number of them. */
export function wholeUnits(scaled: bigint, digits: number): bigint | undefined {
  const unit = 10n ** BigInt(decimalScale - digits)
  return scaled % unit === 0n ? scaled / unit : undefined
}

/** As a number, for interfaces that take one; undefined beyond what a double holds exactly. */
export function safeNumber(whole: bigint): number | undefined {
  const value = Number(whole)
  return Number.isSafeInteger(value) ? value : undefined
}

/** One line for people, as it stands on an invoice, of at most so many UTF-16 units after `before`. */
export function wordsOfLine({ line, days }: BatchLine, most: number, before = ''): string {
  const what = line.kind === 'adjustment' ? `Adjustment of ${line.price}` : line.price
  const when = days.first === days.last ? days.first : `${days.first} to ${days.last}`
  // Half a character cannot be written in a form or in UTF-8.
  const named = line.plan === '' ? what : `${line.plan}: ${what}`
  return `${before}${named}, ${when}`.slice(0, most).replace(/[\ud800-\udbff]$/, '')
}

export function invalidRecord(detail: string): Refused {
  return { kind: 'refused', code: 'invalid_record', detail: detail.slice(0, 1_000) }
}

function secondsOf(ns: bigint): number {
  return Number(ns / nsPerMs / 1_000n)
}

function localDay(ns: bigint, timezone: string): string {
  return Temporal.Instant.fromEpochNanoseconds(ns).toZonedDateTimeISO(timezone).toPlainDate().toString()
}
