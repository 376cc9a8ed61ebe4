// What OpenMeter billed, line by line. A line's total is split into what its price came to, credits and discounts, and tax.

import { divideRounded, formatScaled, type Scaled, scaledOne } from '../../../schemas/money/decimal.js'
import { formatInstant } from '../../../schemas/time.js'
import {
  amountIn,
  decimalIn,
  type ForeignObject,
  instantIn,
  listIn,
  objectIn,
  shown,
  textIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import type { BilledLine } from '../imported.js'

const notBilled = new Set(['gathering', 'draft', 'voided'])

/** `ours`: the customer for an id of theirs; `itemOf`: the key of the item of a subscription. */
export interface InvoiceContext {
  readonly ours: ReadonlyMap<string, string>
  readonly itemOf: ReadonlyMap<string, string>
  readonly findings: Findings
}

export function billedLines(invoice: ForeignObject, context: InvoiceContext): BilledLine[] {
  const id = textIn(invoice['id'])
  const status = textIn(invoice['status'])
  if (notBilled.has(status)) {
    context.findings.note('invoice', id, 'status', `invoice_${status}`, 'It is not billed.')
    return []
  }
  if (!Array.isArray(invoice['lines']))
    context.findings.leftOut(
      'invoice',
      id,
      'lines',
      'lines_missing',
      'It has no lines in the export: list invoices with expand=lines.',
    )
  return listIn(invoice['lines']).flatMap(line => linesOf(line, invoice, context))
}

function linesOf(
  line: ForeignObject,
  invoice: ForeignObject,
  { ours, itemOf, findings }: InvoiceContext,
): BilledLine[] {
  const id = textIn(line['id'])
  const totals = objectIn(line['totals'])
  const period = objectIn(line['period'])
  const [fromNs, untilNs] = [instantIn(period['from']), instantIn(period['to'])]
  const amount = amountIn(totals['amount'])
  if (amount.kind !== 'ok' || fromNs === undefined || untilNs === undefined) {
    const field = amount.kind === 'ok' ? 'period' : 'totals.amount'
    findings.leftOut(
      'invoice_line',
      id,
      field,
      'missing_value',
      `It is ${shown(amount.kind === 'ok' ? period : totals['amount'])}.`,
    )
    return []
  }
  const reference = objectIn(line['subscription'])
  const item = textIn(objectIn(reference['item'])['id'])
  const subscription = textIn(objectIn(reference['subscription'])['id'])
  const theirs = textIn(objectIn(invoice['customer'])['id'])
  const issuedNs = instantIn(invoice['issuedAt'])
  const base = {
    ...{ id, invoice: textIn(invoice['id']), customer: ours.get(theirs) ?? theirs, subscription },
    ...{
      price:
        subscription === '' ? '' : (itemOf.get(item) ?? textIn(objectIn(line['rateCard'])['featureKey'])),
    },
    ...{ currency: textIn(line['currency']) || textIn(invoice['currency']) },
    ...{ from: formatInstant(fromNs), until: formatInstant(untilNs) },
    ...(issuedNs === undefined ? {} : { issued_at: formatInstant(issuedNs) }),
    ...(textIn(line['name']) === '' ? {} : { detail: textIn(line['name']).slice(0, 200) }),
  }
  const isManual = textIn(line['managedBy']) === 'manual'
  const isFlat =
    textIn(objectIn(objectIn(line['rateCard'])['price'] ?? line['price'])['type']) === 'flat' ||
    textIn(line['type']) === 'flat_fee'
  const { cut, credited } = reductionsOf(line, totals)
  const charges = amountIn(totals['chargesTotal'])
  const own = amount.value + (charges.kind === 'ok' ? charges.value : 0n) - cut
  const quantity = decimalIn(line['meteredQuantity'])
  const taxes = amountIn(totals['taxesTotal'])
  const extra = (kind: 'tax' | 'credit', value: Scaled): BilledLine[] =>
    value === 0n ? [] : [{ ...base, id: `${id}:${kind}`, kind, amount: formatScaled(value) }]
  return [
    {
      ...{ ...base, kind: isManual ? 'manual' : isFlat ? 'recurring' : 'usage', amount: formatScaled(own) },
      ...(isManual || isFlat || quantity === '' ? {} : { quantity }),
      ...exactOf(line, own),
    },
    ...extra('credit', -credited),
    ...extra('tax', taxes.kind === 'ok' ? taxes.value : 0n),
  ]
}

/** Before the rounding of each detail, where the details come to the line and nothing else is in it. */
function exactOf(line: ForeignObject, own: Scaled): { exact?: string } {
  const details = listIn(line['children'])
  let exact = 0n
  for (const detail of details) {
    const card = objectIn(detail['rateCard'])
    const unit = amountIn(objectIn(card['price'])['amount'] ?? detail['perUnitAmount'])
    const quantity = amountIn(card['quantity'] ?? detail['quantity'] ?? '1')
    if (unit.kind !== 'ok' || quantity.kind !== 'ok') return {}
    exact += divideRounded(unit.value * quantity.value, scaledOne)
  }
  const away = exact > own ? exact - own : own - exact
  return details.length > 0 && away * 100n < scaledOne * BigInt(details.length)
    ? { exact: formatScaled(exact) }
    : {}
}

/** Discounts of the rate card and its maximum are part of our prices; other discounts and credits are not. */
function reductionsOf(
  line: ForeignObject,
  totals: ForeignObject,
): { readonly cut: Scaled; readonly credited: Scaled } {
  const amountOf = (value: unknown): Scaled => {
    const read = amountIn(value)
    return read.kind === 'ok' ? read.value : 0n
  }
  const priced = new Set(['maximum_spend', 'ratecard_percentage', 'ratecard_usage'])
  const all = listIn(objectIn(line['discounts'])['amount'])
  const details = listIn(line['children']).flatMap(child => listIn(objectIn(child['discounts'])['amount']))
  // The line sums up what its details say.
  const found = all.length > 0 ? all : details
  const cut = found
    .filter(one => priced.has(textIn(objectIn(one['reason'])['type'])))
    .reduce((sum, one) => sum + amountOf(one['amount']), 0n)
  const discounts = amountOf(totals['discountsTotal'])
  return { cut, credited: discounts - cut + amountOf(totals['creditsTotal']) }
}
