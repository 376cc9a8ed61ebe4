// Plans of Lago: the base fee, fixed charges and charges are prices of one plan.

import { minorUnits } from '../../../schemas/money/currency.js'
import { amountIn, decimalIn, type ForeignObject, listIn, objectIn, shown, textIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedMeter, ImportedPlan, ImportedPrice, Wire } from '../imported.js'
import { priceOf, tiersOf } from './charges.js'

export const baseFee = 'subscription'

const intervals: Readonly<Record<string, ImportedPlan['billingPeriod']>> = {
  weekly: 'week',
  monthly: 'month',
  quarterly: 'quarter',
  semiannual: '6 month',
  yearly: 'year',
}

export interface LagoPlan {
  readonly plan: ImportedPlan
  readonly object: ForeignObject
  /** Ours for the id of a charge or a fixed charge. */
  readonly priceOf: ReadonlyMap<string, string>
  /** Ours for the code of a charge or of its metric, where one price alone has it. */
  readonly byCode: ReadonlyMap<string, string>
}

export function plansOf(
  objects: readonly ForeignObject[],
  metrics: ReadonlyMap<string, ForeignObject>,
  meters: Map<string, ImportedMeter>,
  findings: Findings,
): Map<string, LagoPlan> {
  const plans = new Map<string, LagoPlan>()
  for (const object of objects) {
    const plan = planOf(object, metrics, meters, findings)
    if (plan !== undefined) plans.set(plan.plan.plan, plan)
  }
  return plans
}

function planOf(
  object: ForeignObject,
  metrics: ReadonlyMap<string, ForeignObject>,
  meters: Map<string, ImportedMeter>,
  findings: Findings,
): LagoPlan | undefined {
  const code = textIn(object['code'])
  const leave = (field: string, why: string, detail: string) =>
    findings.leftOut('plan', code, field, why, detail)
  const interval = textIn(object['interval'])
  const billingPeriod = Object.hasOwn(intervals, interval) ? intervals[interval] : undefined
  const currency = textIn(object['amount_currency'])
  const digits = minorUnits(currency)
  if (code === '') return leave('code', 'missing_value', 'It is missing.')
  if (billingPeriod === undefined)
    return leave('interval', 'unsupported_interval', `No billing period is ${shown(interval)}.`)
  if (digits === undefined)
    return leave('amount_currency', 'unknown_currency', `No currency is ${shown(currency)}.`)
  if (Object.keys(objectIn(object['minimum_commitment'])).length > 0)
    leave('minimum_commitment', 'minimum_commitment', 'A minimum is of one price, not of a plan.')
  if (listIn(object['usage_thresholds']).length > 0)
    findings.note(
      'plan',
      code,
      'usage_thresholds',
      'billing_threshold',
      'What is invoiced before its period ends.',
    )
  const names = new PriceNames(code)
  const prices: ImportedPrice[] = []
  const base = amountIn(object['amount_cents'], digits)
  const timing = object['pay_in_advance'] === true ? 'in_advance' : 'in_arrears'
  if (base.kind === 'fault') return leave('amount_cents', 'amount_not_kept', `${base.detail}.`)
  if (base.kind === 'ok' && base.value !== 0n)
    prices.push({
      wire: { price: baseFee, kind: 'recurring', amount: base.text, per: 'subscription', timing },
      note: textIn(object['name']),
    })
  for (const charge of listIn(object['fixed_charges'])) {
    const price = fixedCharge(charge, names.of(charge, 'code', 'add_on_code'), findings)
    if (price !== undefined) prices.push(price)
  }
  const isMonthly = object['bill_charges_monthly'] === true && billingPeriod !== 'month'
  const own = isMonthly ? { billing_period: 'month' } : {}
  for (const charge of listIn(object['charges'])) {
    const name = names.of(charge, 'code', 'billable_metric_code')
    const price = priceOf({ charge, name, currency, metrics, meters, findings })
    if (price !== undefined) prices.push({ ...price, wire: { ...price.wire, ...own } })
  }
  const plan: ImportedPlan = {
    plan: code,
    version: 1,
    currency,
    billingPeriod,
    proration: 'day',
    prices,
    note: textIn(object['name']),
  }
  return { plan, object, priceOf: names.byId, byCode: names.byCode }
}

/** Names of prices, each once in its plan: the code of the charge, else that of what it charges for. */
class PriceNames {
  readonly byId = new Map<string, string>()
  readonly byCode = new Map<string, string>()
  readonly #plan: string
  readonly #taken = new Set<string>([baseFee])

  constructor(plan: string) {
    this.#plan = plan
  }

  of(charge: ForeignObject, own: string, other: string): string {
    const id = textIn(charge['lago_id'])
    const code = textIn(charge[own]) || textIn(charge[other]) || id || this.#plan
    let name = code
    for (let at = 2; this.#taken.has(name); at += 1) name = `${code}:${at}`
    this.#taken.add(name)
    if (id !== '') this.byId.set(id, name)
    for (const one of new Set([textIn(charge[own]), textIn(charge[other])])) {
      if (one === '') continue
      if (this.byCode.has(one)) this.byCode.set(one, '')
      else this.byCode.set(one, name)
    }
    return name
  }
}

function fixedCharge(charge: ForeignObject, name: string, findings: Findings): ImportedPrice | undefined {
  const model = textIn(charge['charge_model'])
  const properties = objectIn(charge['properties'])
  const amount = decimalIn(properties['amount'])
  const units = decimalIn(charge['units'])
  if (units === '') return findings.leftOut('fixed_charge', name, 'units', 'missing_value', 'It is missing.')
  const tiers = model === 'standard' ? undefined : tiersOfFixed(name, model, properties, findings)
  if (model !== 'standard' && tiers === undefined) return undefined
  if (model === 'standard' && amount === '')
    return findings.leftOut('fixed_charge', name, 'properties.amount', 'missing_value', 'It is missing.')
  if (charge['prorated'] !== true)
    findings.differs(
      'fixed_charge',
      name,
      'prorated',
      'always_prorated',
      'Of a part of a period the part is owed.',
    )
  const timing = charge['pay_in_advance'] === true ? 'in_advance' : 'in_arrears'
  return {
    wire: {
      ...{ price: name, kind: 'recurring', per: 'unit', default_quantity: units, timing },
      ...(tiers ?? { amount }),
    },
    note: textIn(charge['invoice_display_name']),
  }
}

function tiersOfFixed(
  name: string,
  model: string,
  properties: ForeignObject,
  findings: Findings,
): Wire | undefined {
  if (model === 'graduated' || model === 'volume')
    return tiersOf(name, model, listIn(properties[`${model}_ranges`]), findings)
  return findings.leftOut(
    'fixed_charge',
    name,
    'charge_model',
    'unknown_model',
    `No model is ${shown(model)}.`,
  )
}
