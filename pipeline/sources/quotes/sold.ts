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
  const from =
    quote.day('start') ?? (rules.startDefault === 'close_date' ? quote.day('close_date') : undefined)
  if (from === undefined) quote.fault('start', 'missing_value', 'the quote names no first day.')
  const isAmendment = step.kind === 'amendment'
  const until = from === undefined ? undefined : endOf(quote, from, rules, isAmendment)
  const mustEnd = rules.term === 'required' && !isAmendment
  if (from !== undefined && until === undefined && mustEnd && quote.text('end') === undefined)
    quote.fault('end', 'missing_term', 'the quote names neither a last day nor a term.')
  checkTerms(quote, rules)
  const currency = quote.text('currency')?.toUpperCase()
  if (step.lines.length === 0) quote.fault('start', 'no_lines', 'the quote has no lines.')
  if (from === undefined) return undefined
  const frequency = frequencyOf(quote, rules)
  const products = new Map(
    step.lines.map(one => [one.id, new RecordReader(one.record, one.pointer, fields.line, context)]),
  )
  const whole = { from, until, frequency }
  const lines = step.lines.map(({ id }) => readLine(products.get(id)!, products, whole, rules))
  return { kind: step.kind, from, until, currency, lines: lines.filter(one => one !== undefined) }
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
  const months = isAmendment ? undefined : reader.decimal('term_months')
  if (months === undefined) return undefined
  if (months > 0n && months % scaledOne === 0n && months <= 1_200n * scaledOne)
    return Temporal.PlainDate.from(from)
      .add({ months: Number(months / scaledOne) })
      .toString()
  return reader.fault('term_months', 'invalid_value', 'it is no whole number of months from 1 to 1200.')
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
  const until = line.text('end') === undefined ? whole.until : endOf(line, from, rules)
  const frequency = frequencyOf(line, rules) ?? whole.frequency
  const group = groupOf(line, all, rules)
  const pointer = line.pointer('product')
  const [unitPrice, listPrice] = [unitPriceOf(line, 'unit_price'), line.decimal('list_price')]
  return { product, rule, quantity, unitPrice, listPrice, frequency, from, until, group, pointer }
}

/** The net price of a line is of its whole term where the CRM says by how much it was multiplied. */
function unitPriceOf(line: RecordReader, field: string): Scaled | undefined {
  const [price, by] = [line.decimal(field), line.decimal('prorated_by')]
  if (price !== undefined && price < 0n) return line.fault(field, 'invalid_value', 'it is less than 0.')
  if (price === undefined || by === undefined || by === scaledOne) return price
  if (by <= 0n) return line.fault('prorated_by', 'invalid_value', 'it is not above 0.')
  return divideRounded(price * scaledOne, by) // half away from zero at 12 places, as amounts are
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
