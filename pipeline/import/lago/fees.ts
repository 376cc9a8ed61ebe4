// What Lago billed, fee by fee. Taxes and coupons of a fee are lines of their own.

import { minorUnits } from '../../../schemas/money/currency.js'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { formatInstant } from '../../../schemas/time.js'
import { amountIn, decimalIn, type ForeignObject, instantIn, objectIn, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { BilledKind, BilledLine } from '../imported.js'
import { baseFee, type LagoPlan } from './plans.js'

export interface FeeContext {
  /** Of the subscription's external id: the plans that it has had. */
  readonly plansOf: (subscription: string) => readonly LagoPlan[]
  readonly findings: Findings
}

const kinds: Readonly<Record<string, BilledKind>> = {
  charge: 'usage',
  subscription: 'recurring',
  fixed_charge: 'recurring',
  add_on: 'manual',
  credit: 'manual',
  commitment: 'commitment',
}

export function billedLines(
  fee: ForeignObject,
  invoice: ForeignObject,
  { plansOf, findings }: FeeContext,
): BilledLine[] {
  const id = textIn(fee['lago_id'])
  const currency = textIn(fee['amount_currency']) || textIn(invoice['currency'])
  const digits = minorUnits(currency) ?? 2
  const amount = amountIn(fee['amount_cents'], digits)
  const issued = instantIn(invoice['created_at']) ?? dayOf(invoice['issuing_date'])
  const fromNs = instantIn(fee['from_date']) ?? issued ?? instantIn(fee['created_at'])
  if (amount.kind !== 'ok' || fromNs === undefined) {
    findings.leftOut(
      'fee',
      id,
      amount.kind === 'ok' ? 'from_date' : 'amount_cents',
      'missing_value',
      'It is missing.',
    )
    return []
  }
  const item = objectIn(fee['item'])
  const type = textIn(item['type'])
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (kind === undefined) {
    findings.leftOut('fee', id, 'item.type', 'unknown_fee', `No fee is ${type}.`)
    return []
  }
  const subscription = textIn(fee['external_subscription_id'])
  const price = priceOf(fee, item, kind, plansOf(subscription))
  const base = {
    ...{ id, invoice: textIn(fee['lago_invoice_id']) || textIn(invoice['lago_id']) || id },
    ...{
      customer: textIn(fee['external_customer_id']) || textIn(objectIn(invoice['customer'])['external_id']),
      subscription,
      price: price.name,
      currency,
    },
    ...{ from: formatInstant(fromNs), until: formatInstant(endOf(fee, fromNs)) },
    ...(issued === undefined ? {} : { issued_at: formatInstant(issued) }),
    ...(textIn(item['name']) === '' ? {} : { detail: textIn(item['name']).slice(0, 200) }),
  }
  const exact = decimalIn(fee['precise_amount'])
  const isTrueUp = textIn(fee['lago_true_up_parent_fee_id']) !== ''
  const quantity = isTrueUp || !price.isCounted ? '' : decimalIn(fee['units'])
  const unit = price.isByUnit ? decimalIn(fee['precise_unit_amount']) : ''
  const taxes = amountIn(fee['taxes_amount_cents'], digits)
  const coupons = amountIn(fee['precise_coupons_amount_cents'], digits)
  return [
    {
      ...{ ...base, kind, amount: amount.text },
      ...(exact === '' ? {} : { exact }),
      ...(quantity === '' ? {} : { quantity }),
      ...(unit === '' ? {} : { unit_amount: unit }),
    },
    ...(taxes.kind === 'ok' && taxes.value !== 0n
      ? [{ ...base, id: `${id}:tax`, kind: 'tax' as const, amount: taxes.text }]
      : []),
    ...(coupons.kind === 'ok' && coupons.value !== 0n
      ? [{ ...base, id: `${id}:credit`, kind: 'credit' as const, amount: formatScaled(-coupons.value) }]
      : []),
  ]
}

interface FeePrice {
  readonly name: string
  /** Its units are those of our meter. */
  readonly isCounted: boolean
  /** Its amount for a unit is one of the price, and not a mean. */
  readonly isByUnit: boolean
}

function priceOf(
  fee: ForeignObject,
  item: ForeignObject,
  kind: BilledKind,
  plans: readonly LagoPlan[],
): FeePrice {
  if (textIn(item['type']) === 'subscription') return { name: baseFee, isCounted: true, isByUnit: false }
  if (kind !== 'usage' && kind !== 'recurring') return { name: '', isCounted: false, isByUnit: false }
  const id = textIn(fee['lago_charge_id']) || textIn(fee['lago_fixed_charge_id'])
  const code = textIn(item['code'])
  const named = plans.map(plan => plan.priceOf.get(id)).find(one => one !== undefined)
  const name =
    named ?? plans.map(plan => plan.byCode.get(code)).find(one => one !== undefined && one !== '') ?? code
  const wire = plans.flatMap(({ plan }) => plan.prices).find(one => one.wire['price'] === name)?.wire
  const isDynamic = textIn(wire?.['meter']).endsWith(':amount')
  const isPercent = wire?.['model'] === 'percentage'
  return {
    name,
    isCounted: !isDynamic,
    isByUnit: !isPercent && (wire?.['model'] === 'per_unit' || wire?.['model'] === 'matrix') && !isDynamic,
  }
}

/** Lago names the last second of a period. */
function endOf(fee: ForeignObject, fromNs: bigint): bigint {
  const toNs = instantIn(fee['to_date'])
  if (toNs === undefined || toNs < fromNs) return fromNs
  const second = 1_000_000_000n
  return (toNs / second) % 60n === 59n ? (toNs / second + 1n) * second : toNs
}

function dayOf(value: unknown): bigint | undefined {
  return instantIn(`${textIn(value)}T00:00:00Z`)
}
