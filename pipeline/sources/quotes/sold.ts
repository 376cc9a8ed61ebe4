// What one quote says in our words: its days, and of each line the product's rule, quantity, price of a unit and the days in
// which it holds. Everything that is wrong is told; what is wrong is left out.

import { Temporal } from 'temporal-polyfill'
import type { BillingPeriod } from '../../../schemas/catalog/catalog.js'
import { divideRounded, type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { nearestHint, shownName } from '../../../schemas/nearest-name.js'
import type { MapContext } from '../source-kind.js'
import type { DealStep } from './deal.js'
import { type Fields, RecordReader } from './fields.js'
import type { ProductRule, QuoteRules } from './quote-rules.js'

const hundred = 100n * scaledOne

/** A local day, such as `2026-02-28`; days compare as texts. */
export type Day = string

export interface SoldStep {
  readonly kind: DealStep['kind']
  readonly from: Day
  /** The first day that is not in it; undefined: it does not end. */
  readonly until: Day | undefined
  readonly currency: string | undefined
  readonly lines: readonly SoldLine[]
}

export interface SoldLine {
  readonly product: string
  readonly rule: Exclude<ProductRule, { kind: 'ignore' }>
  readonly quantity: Scaled
  /** Of one billing period; undefined: the quote names none. */
  readonly unitPrice: Scaled | undefined
  readonly listPrice: Scaled | undefined
  readonly frequency: BillingPeriod | undefined
  readonly from: Day
  readonly until: Day | undefined
  /** '' unless there is a subscription for each bundle or group. */
  readonly group: string
  readonly pointer: string
}

/** Undefined: it has no first day. */
export function readStep(
  step: DealStep,
  fields: Fields,
  context: MapContext<QuoteRules>,
): SoldStep | undefined {
  const { rules } = context
  const quote = new RecordReader(step.record, step.pointer, fields.quote, context)
  const readers = new Map(
    step.lines.map(one => [one.id, new RecordReader(one.record, one.pointer, fields.line, context)]),
  )
  const from = firstDay(quote, [...readers.values()], rules)
  if (from === undefined) quote.fault('start', 'missing_value', 'the quote names no first day.')
  const isAmendment = step.kind === 'amendment'
  const named = from === undefined ? undefined : endOf(quote, from, rules, isAmendment)
  checkTerms(quote, rules)
  const currency = quote.text('currency')?.toUpperCase()
  if (step.lines.length === 0) quote.fault('start', 'no_lines', 'the quote has no lines.')
  if (from === undefined) return undefined
  const whole = { from, until: named, frequency: frequencyOf(quote, rules) }
  const read = step.lines.map(({ id }) => readLine(readers.get(id)!, readers, whole, rules))
  const lines = read.filter(one => one !== undefined)
  const until = named ?? lastOf(lines)
  const mustEnd = rules.term === 'required' && !isAmendment && lines.length > 0
  if (until === undefined && mustEnd && quote.text('end') === undefined)
    quote.fault('end', 'missing_term', 'neither the quote nor each of its lines names a last day or a term.')
  return { kind: step.kind, from, until, currency, lines }
}

/** Of the quote, else the first of its lines, else the day on which it was closed where the mapping says so. */
function firstDay(
  quote: RecordReader,
  lines: readonly RecordReader[],
  { startDefault }: QuoteRules,
): Day | undefined {
  const named = quote.day('start')
  if (named !== undefined) return named
  const days = lines.map(one => one.day('start')).filter(one => one !== undefined)
  return days.sort()[0] ?? (startDefault === 'close_date' ? quote.day('close_date') : undefined)
}

/** Where every line ends, the last of these days. */
function lastOf(lines: readonly SoldLine[]): Day | undefined {
  const days = lines.map(one => one.until).filter(one => one !== undefined)
  return days.length === lines.length ? days.sort().at(-1) : undefined
}

/** An amendment that names no last day ends with what it amends. */
function endOf(
  reader: RecordReader,
  from: Day,
  { endDate }: QuoteRules,
  isAmendment = false,
): Day | undefined {
  const named = reader.day('end')
  if (named !== undefined) {
    const until = endDate === 'last_day' ? daysAfter(named, 1) : named
    return until > from ? until : reader.fault('end', 'end_before_start', 'it lies before the first day.')
  }
  const months = isAmendment ? undefined : monthsOf(reader)
  if (months === undefined) return undefined
  if (months > 0n && months % scaledOne === 0n && months <= 1_200n * scaledOne)
    return Temporal.PlainDate.from(from)
      .add({ months: Number(months / scaledOne) })
      .toString()
  return reader.fault('term_months', 'invalid_value', 'it is no whole number of months from 1 to 1200.')
}

/** A number of months, or a duration such as `P1Y` or `P12M`. */
function monthsOf(reader: RecordReader): Scaled | undefined {
  const duration = reader.text('term')
  if (duration === undefined) return reader.decimal('term_months')
  const [, years = '0', months = '0'] = /^P(?:(\d{1,3})Y)?(?:(\d{1,4})M)?$/.exec(duration) ?? []
  const all = BigInt(Number(years) * 12 + Number(months)) * scaledOne
  return all > 0n
    ? all
    : reader.fault('term', 'invalid_value', 'it is no duration in months or years, such as P12M.')
}

export function daysAfter(day: Day, days: number): Day {
  return Temporal.PlainDate.from(day).add({ days }).toString()
}

function checkTerms(quote: RecordReader, { terms }: QuoteRules): void {
  if (terms === undefined) return
  const word = quote.text('terms')
  if (word === undefined) quote.fault('terms', 'missing_value', 'the quote names no payment terms.')
  else if (!terms.includes(word))
    quote.fault(
      'terms',
      'terms_not_taken',
      `we take no payment terms ${shownName(word)}${nearestHint(word, terms)}.`,
    )
}

function frequencyOf(reader: RecordReader, { frequencies }: QuoteRules): BillingPeriod | undefined {
  if (frequencies === undefined) return undefined
  const word = reader.text('frequency')
  if (word === undefined) return undefined
  const known = frequencies.get(word)
  if (known !== undefined) return known
  const hint = nearestHint(word, frequencies.keys())
  return reader.fault('frequency', 'unknown_frequency', `the mapping has no ${shownName(word)}${hint}.`)
}

interface Whole {
  readonly from: Day
  readonly until: Day | undefined
  readonly frequency: BillingPeriod | undefined
}

function readLine(
  line: RecordReader,
  all: ReadonlyMap<string, RecordReader>,
  whole: Whole,
  rules: QuoteRules,
): SoldLine | undefined {
  const product = line.text('product')
  if (product === undefined) return line.fault('product', 'missing_value', 'the line names no product.')
  const rule = rules.products.get(product)
  if (rule === undefined) {
    const hint = nearestHint(product, rules.products.keys())
    return line.fault(
      'product',
      'unknown_product',
      `the mapping has no product ${shownName(product)}${hint}.`,
    )
  }
  if (rule.kind === 'ignore') return undefined
  const quantity = line.decimal('quantity')
  if (quantity === undefined) return line.fault('quantity', 'missing_value', 'the line has no quantity.')
  if (quantity < 0n) return line.fault('quantity', 'invalid_value', 'it is less than 0.')
  const from = line.day('start') ?? whole.from
  const hasEnd = line.text('end') !== undefined || line.text('term') !== undefined
  const until = hasEnd ? endOf(line, from, rules) : whole.until
  const frequency = frequencyOf(line, rules) ?? whole.frequency
  const group = groupOf(line, all, rules)
  const pointer = line.pointer('product')
  const [unitPrice, listPrice] = [unitPriceOf(line), line.decimal('list_price')]
  return { product, rule, quantity, unitPrice, listPrice, frequency, from, until, group, pointer }
}

/** The net price of a line is of its whole term where the CRM says by how much it was multiplied. */
function unitPriceOf(line: RecordReader): Scaled | undefined {
  const [price, by] = [discounted(line), line.decimal('prorated_by')]
  if (price === undefined || by === undefined || by === scaledOne) return price
  if (by <= 0n) return line.fault('prorated_by', 'invalid_value', 'it is not above 0.')
  return divideRounded(price * scaledOne, by) // half away from zero at 12 places, as amounts are
}

/** Less the discount of a unit, or so many per cent, where the CRM tells them apart. */
function discounted(line: RecordReader): Scaled | undefined {
  const price = line.decimal('unit_price')
  if (price === undefined) return undefined
  const [off, percent] = [line.decimal('discount') ?? 0n, line.decimal('discount_percent') ?? 0n]
  const less = divideRounded(price * (hundred - percent), hundred) - off
  return less >= 0n && percent >= 0n && off >= 0n
    ? less
    : line.fault('unit_price', 'invalid_value', 'it is less than 0, or its discount is.')
}

/** Of a bundle the product at its top: ids of lines differ from quote to quote. */
function groupOf(line: RecordReader, all: ReadonlyMap<string, RecordReader>, { per }: QuoteRules): string {
  switch (per) {
    case 'quote':
      return ''
    case 'group':
      return line.text('group') ?? line.fault('group', 'missing_value', 'the line has no group.') ?? ''
    case 'bundle': {
      let top = line
      for (let depth = 0; depth < all.size; depth += 1) {
        const above = all.get(top.text('bundle') ?? '')
        if (above === undefined || above === line) break
        top = above
      }
      return top.text('product') ?? ''
    }
    default:
      return per satisfies never
  }
}
