// What Stripe billed, line by line. Tax and credits of a line are lines of their own, so that what a price came to stands alone.

import { formatScaled, type Scaled } from '../../../schemas/money/decimal.js'
import { stripeDigits } from '../../../sinks/stripe/amount.js'
import { nearProduct } from '../exact-product.js'
import {
  amountIn,
  decimalIn,
  type ForeignObject,
  idIn,
  instantOfSeconds,
  listIn,
  objectIn,
  secondsIn,
  textIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import type { BilledKind, BilledLine } from '../imported.js'

export interface InvoiceContext {
  readonly customers: ReadonlyMap<string, string>
  readonly prices: ReadonlyMap<string, ForeignObject>
  /** Lines that the export has beside their invoices, by invoice. */
  readonly lines: ReadonlyMap<string, readonly ForeignObject[]>
  readonly findings: Findings
}

export function billedLines(invoices: readonly ForeignObject[], context: InvoiceContext): BilledLine[] {
  return invoices.flatMap(invoice => linesOf(invoice, context))
}

function linesOf(
  invoice: ForeignObject,
  { customers, prices, lines, findings }: InvoiceContext,
): BilledLine[] {
  const id = idIn(invoice)
  const status = textIn(invoice['status'])
  if (status === 'draft' || status === 'void') {
    findings.note('invoice', id, 'status', `invoice_${status}`, 'It is not billed.')
    return []
  }
  const theirs = idIn(invoice['customer'])
  const customer = customers.get(theirs) ?? theirs
  const currency = textIn(invoice['currency']).toUpperCase()
  const embedded = listIn(invoice['lines'])
  const beside = lines.get(id) ?? []
  const all = [...new Map([...embedded, ...beside].map(line => [idIn(line), line])).values()]
  if (objectIn(invoice['lines'])['has_more'] === true && beside.length === 0)
    findings.leftOut(
      'invoice',
      id,
      'lines',
      'lines_missing',
      'It has more lines than the export: list /v1/invoices/ID/lines.',
    )
  const issued =
    secondsIn(objectIn(invoice['status_transitions'])['finalized_at']) ?? secondsIn(invoice['created'])
  const common: Common = {
    invoice: id,
    customer,
    currency,
    ...(issued === undefined ? {} : { issued_at: instantOfSeconds(issued) }),
  }
  return all.flatMap(line => oneLine(line, invoice, common, prices, findings))
}

type Common = Pick<BilledLine, 'invoice' | 'customer' | 'currency' | 'issued_at'>

function oneLine(
  line: ForeignObject,
  invoice: ForeignObject,
  common: Common,
  prices: ReadonlyMap<string, ForeignObject>,
  findings: Findings,
): BilledLine[] {
  const id = idIn(line)
  const digits = stripeDigits(common.currency)
  const amount = amountIn(line['amount'], digits)
  const period = objectIn(line['period'])
  const [start, end] = [secondsIn(period['start']), secondsIn(period['end'])]
  if (amount.kind !== 'ok' || start === undefined || end === undefined) {
    const field = amount.kind === 'ok' ? 'period' : 'amount'
    findings.leftOut(
      'line_item',
      id,
      field,
      'missing_value',
      `The invoice ${common.invoice} tells of a line that has none.`,
    )
    return []
  }
  const whose = subscriptionOf(line, invoice)
  const price = priceOf(line)
  const isProration = isProrated(line)
  const base = {
    ...common,
    id,
    subscription: whose,
    price,
    from: instantOfSeconds(start),
    until: instantOfSeconds(end),
    ...(textIn(line['description']) === '' ? {} : { detail: textIn(line['description']).slice(0, 200) }),
  }
  const { taxes, inclusive } = taxesOf(line, digits)
  const net = amount.value - inclusive
  const own: BilledLine = {
    ...base,
    kind: kindOf(line, price === '' ? undefined : prices.get(price), isProration),
    amount: formatScaled(net),
    ...(isProration ? { proration: true } : countedOf(line, net, digits)),
  }
  const credits = creditsOf(line, digits)
  return [
    own,
    ...(taxes === 0n
      ? []
      : [{ ...base, id: `${id}:tax`, kind: 'tax' as const, amount: formatScaled(taxes) }]),
    ...(credits === 0n
      ? []
      : [{ ...base, id: `${id}:credit`, kind: 'credit' as const, amount: formatScaled(-credits) }]),
  ]
}

function subscriptionOf(line: ForeignObject, invoice: ForeignObject): string {
  const parent = objectIn(line['parent'])
  const ofInvoice =
    objectIn(objectIn(invoice['parent'])['subscription_details'])['subscription'] ?? invoice['subscription']
  return (
    idIn(objectIn(parent['subscription_item_details'])['subscription']) ||
    idIn(objectIn(parent['invoice_item_details'])['subscription']) ||
    idIn(line['subscription']) ||
    (isManual(line) ? '' : idIn(ofInvoice))
  )
}

function priceOf(line: ForeignObject): string {
  return (
    idIn(objectIn(objectIn(line['pricing'])['price_details'])['price']) ||
    idIn(line['price']) ||
    idIn(line['plan'])
  )
}

function isManual(line: ForeignObject): boolean {
  const type = textIn(objectIn(line['parent'])['type']) || textIn(line['type'])
  return (type === 'invoice_item_details' || type === 'invoiceitem') && !isProrated(line)
}

function isProrated(line: ForeignObject): boolean {
  const parent = objectIn(line['parent'])
  return [line, objectIn(parent['subscription_item_details']), objectIn(parent['invoice_item_details'])].some(
    one => one['proration'] === true,
  )
}

function kindOf(line: ForeignObject, price: ForeignObject | undefined, isProration: boolean): BilledKind {
  if (isManual(line)) return 'manual'
  const recurring = objectIn((price ?? objectIn(line['price']))['recurring'])
  return textIn(recurring['usage_type']) === 'metered' && !isProration ? 'usage' : 'recurring'
}

/** How many units at which price, where the amount is just that. Of flat amounts of tiers the quantity is none of usage. */
function countedOf(line: ForeignObject, amount: Scaled, digits: number): Partial<BilledLine> {
  const unit = amountIn(
    objectIn(line['pricing'])['unit_amount_decimal'] ?? objectIn(line['price'])['unit_amount_decimal'],
    digits,
  )
  const quantity = decimalIn(line['quantity_decimal'] ?? line['quantity'])
  if (quantity === '') return {}
  if (unit.kind !== 'ok') return { quantity }
  const product = nearProduct(quantity, unit.value, amount, digits)
  return product === undefined ? { quantity } : { quantity, unit_amount: unit.text, exact: product }
}

/** Taxes of a line, in the form of today and of before 2025. */
function taxesOf(
  line: ForeignObject,
  digits: number,
): { readonly taxes: Scaled; readonly inclusive: Scaled } {
  let taxes = 0n
  let inclusive = 0n
  for (const tax of listIn(line['taxes'] ?? line['tax_amounts'])) {
    const amount = amountIn(tax['amount'], digits)
    if (amount.kind !== 'ok') continue
    taxes += amount.value
    if (tax['inclusive'] === true || textIn(tax['tax_behavior']) === 'inclusive') inclusive += amount.value
  }
  return { taxes, inclusive }
}

function creditsOf(line: ForeignObject, digits: number): Scaled {
  const grants = listIn(line['pretax_credit_amounts']).filter(
    one => textIn(one['type']) === 'credit_balance_transaction',
  )
  return [...listIn(line['discount_amounts']), ...grants].reduce((sum, one) => {
    const amount = amountIn(one['amount'], digits)
    return amount.kind === 'ok' ? sum + amount.value : sum
  }, 0n)
}
