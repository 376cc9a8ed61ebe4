// Prices and meters of Stripe as ours. Amounts are read from the decimal members, digit by digit.
// Invariant: what our models cannot say is left out and told; nothing is approximated.

import { type BillingPeriod, billingPeriodOf } from '../../../schemas/catalog/billing-period.js'
import { stripeDigits } from '../../../sinks/stripe/amount.js'
import { amountIn, type ForeignObject, idIn, listIn, objectIn, shown, textIn, wholeIn } from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedMeter, Wire } from '../imported.js'

/** A price of Stripe in one currency. */
export interface StripePrice {
  readonly id: string
  readonly product: string
  readonly billingPeriod: BillingPeriod
  readonly created: number
  readonly isMetered: boolean
  readonly meter: string
  readonly wire: Wire
  readonly note: string
}

const units = ['day', 'week', 'month', 'year']
/** Their longest is three years. */
const mostOfUnit = 1_200

const formulas: Readonly<Record<string, string>> = { sum: 'sum', count: 'count', last: 'latest' }
/** Of prices of old, whose usage is reported for the item. */
const aggregateUsage: Readonly<Record<string, string>> = {
  sum: 'sum',
  max: 'max',
  last_during_period: 'latest',
}

export function metersOf(objects: readonly ForeignObject[], findings: Findings): Map<string, ImportedMeter> {
  const meters = new Map<string, ImportedMeter>()
  for (const meter of objects) {
    const id = idIn(meter)
    const eventName = textIn(meter['event_name'])
    const formula = textIn(objectIn(meter['default_aggregation'])['formula'])
    const aggregation = Object.hasOwn(formulas, formula) ? formulas[formula] : undefined
    if (id === '' || eventName === '') {
      findings.leftOut('meter', id, id === '' ? 'id' : 'event_name', 'missing_value', 'It is missing.')
    } else if (aggregation === undefined) {
      findings.leftOut(
        'meter',
        id,
        'default_aggregation.formula',
        'unknown_formula',
        `No aggregation is ${shown(formula)}.`,
      )
    } else {
      const value = textIn(objectIn(meter['value_settings'])['event_payload_key']) || 'value'
      const wire = {
        meter: id,
        event_type: eventName,
        aggregation,
        ...(aggregation === 'count' ? {} : { value }),
      }
      meters.set(id, { wire, note: textIn(meter['display_name']) })
    }
  }
  return meters
}

/** Undefined when it cannot be said; then the findings tell why. `currency`: of the subscription, in capitals. */
export function priceOf(
  price: ForeignObject,
  currency: string,
  meters: Map<string, ImportedMeter>,
  findings: Findings,
): StripePrice | undefined {
  const id = idIn(price)
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('price', id, field, code, detail)
  if (id === '') return leave('id', 'missing_value', 'A price has no id.')
  const recurring = objectIn(price['recurring'])
  if (textIn(price['type']) === 'one_time' || price['recurring'] === null)
    return leave(
      'type',
      'one_time_price',
      'A price that is owed once is in no subscription: if it is open, send it as weir.charge.added.',
    )
  const interval = textIn(recurring['interval'])
  const billingPeriod = periodOf(wholeIn(recurring['interval_count']) ?? '1', interval)
  if (billingPeriod === undefined)
    return leave(
      'recurring',
      'unsupported_interval',
      `No billing period is ${shown(recurring['interval_count'])} × ${shown(interval)}.`,
    )
  const terms = termsIn(price, currency)
  if (terms === undefined)
    return leave('currency_options', 'currency_not_there', `It has no amount in ${currency}.`)
  if (objectIn(terms['custom_unit_amount'])['minimum'] !== undefined)
    return leave('custom_unit_amount', 'custom_amount', 'The payer chooses the amount.')
  const usageType = textIn(recurring['usage_type'])
  if (usageType !== 'licensed' && usageType !== 'metered')
    return leave(
      'recurring.usage_type',
      'unknown_usage_type',
      `It is neither licensed nor metered: ${shown(usageType)}.`,
    )
  const shape: Shape = { id, price, terms, digits: stripeDigits(currency), findings }
  const common = {
    ...{ id, product: idIn(price['product']), billingPeriod, note: noteOf(price) },
    created: typeof price['created'] === 'number' ? price['created'] : 0,
  }
  if (usageType === 'licensed') {
    const wire = licensed(shape)
    return wire === undefined ? undefined : { ...common, isMetered: false, meter: '', wire }
  }
  const meter = meterOf(shape, recurring, meters)
  const model = meter === undefined ? undefined : modelOf(shape)
  if (meter === undefined || model === undefined) return undefined
  return { ...common, isMetered: true, meter, wire: { price: id, kind: 'usage', meter, ...model } }
}

/** 7 days are a week there, of 52 a year. */
function periodOf(count: string, unit: string): BillingPeriod | undefined {
  const number = Number(count)
  if (!units.includes(unit) || !(number >= 1 && number <= mostOfUnit)) return undefined
  if (unit === 'day' && number % 7 === 0) return billingPeriodOf(number / 7, 'week')
  return billingPeriodOf(number, unit as 'day')
}

interface Shape {
  readonly id: string
  readonly price: ForeignObject
  /** The price itself, or what it says for another currency. */
  readonly terms: ForeignObject
  readonly digits: number
  readonly findings: Findings
}

function termsIn(price: ForeignObject, currency: string): ForeignObject | undefined {
  if (textIn(price['currency']).toUpperCase() === currency) return price
  const option = objectIn(price['currency_options'])[currency.toLowerCase()]
  return option === undefined ? undefined : { ...objectIn(option) }
}

function noteOf(price: ForeignObject): string {
  const product = textIn(objectIn(price['product'])['name'])
  return [product, textIn(price['nickname']), textIn(price['lookup_key'])]
    .filter(one => one !== '')
    .join(', ')
}

/** The quantity of an item, by the amount of a unit or by a model. */
function licensed(shape: Shape): Wire | undefined {
  const model = modelOf(shape)
  if (model === undefined) return undefined
  const recurring = { price: shape.id, kind: 'recurring' }
  return model['model'] === 'per_unit'
    ? { ...recurring, amount: model['unit_amount'], per: 'unit', timing: 'in_advance' }
    : { ...recurring, per: 'unit', timing: 'in_advance', ...model }
}

/** The amount of a member and its decimal form, in the currency's own unit; undefined: told as a finding. */
function unitAmount({ id, digits, findings }: Shape, from: ForeignObject, name: string): string | undefined {
  const exact = amountIn(from[`${name}_decimal`], digits)
  const read = exact.kind === 'none' ? amountIn(from[name], digits) : exact
  if (read.kind === 'none') return findings.leftOut('price', id, name, 'missing_value', 'There is no amount.')
  if (read.kind === 'fault') return findings.leftOut('price', id, name, 'amount_not_kept', `${read.detail}.`)
  return read.text
}

function meterOf(
  { id, findings }: Shape,
  recurring: ForeignObject,
  meters: Map<string, ImportedMeter>,
): string | undefined {
  const named = idIn(recurring['meter'])
  if (named !== '') {
    if (meters.has(named)) return named
    return findings.leftOut(
      'price',
      id,
      'recurring.meter',
      'meter_not_imported',
      `The meter ${named} is not there, or could not be said.`,
    )
  }
  const aggregate = textIn(recurring['aggregate_usage'])
  const aggregation = Object.hasOwn(aggregateUsage, aggregate || 'sum')
    ? aggregateUsage[aggregate || 'sum']
    : undefined
  if (aggregation === undefined)
    return findings.leftOut(
      'price',
      id,
      'recurring.aggregate_usage',
      'unknown_formula',
      `No aggregation is ${shown(aggregate)}.`,
    )
  const meter = `usage_record:${id}`
  meters.set(meter, {
    wire: { meter, event_type: meter, aggregation, value: 'quantity' },
    note: 'Usage records of the price',
  })
  return meter
}

function modelOf(shape: Shape): Wire | undefined {
  const { id, price, terms, findings } = shape
  const transform = objectIn(price['transform_quantity'])
  const divideBy = wholeIn(transform['divide_by'])
  const scheme = textIn(price['billing_scheme'])
  if (scheme === 'tiered') {
    if (divideBy !== undefined)
      return findings.leftOut(
        'price',
        id,
        'transform_quantity',
        'packages_in_tiers',
        'Tiers count single units.',
      )
    const mode = textIn(price['tiers_mode'])
    if (mode !== 'graduated' && mode !== 'volume')
      return findings.leftOut('price', id, 'tiers_mode', 'unknown_tiers_mode', `No model is ${shown(mode)}.`)
    const tiers = tiersOf(shape, listIn(terms['tiers']))
    return tiers === undefined ? undefined : { model: mode, tiers }
  }
  if (scheme !== 'per_unit')
    return findings.leftOut('price', id, 'billing_scheme', 'unknown_scheme', `No model is ${shown(scheme)}.`)
  const amount = unitAmount(shape, terms, 'unit_amount')
  if (amount === undefined) return undefined
  if (transform['divide_by'] === undefined) return { model: 'per_unit', unit_amount: amount }
  if (divideBy === undefined)
    return findings.leftOut(
      'price',
      id,
      'transform_quantity.divide_by',
      'invalid_value',
      `${shown(transform['divide_by'])} is no whole number.`,
    )
  if (textIn(transform['round']) !== 'up')
    return findings.leftOut(
      'price',
      id,
      'transform_quantity.round',
      'rounds_down',
      'A package that is begun is owed.',
    )
  return { model: 'package', package_size: divideBy, package_amount: amount }
}

function tiersOf({ id, digits, findings }: Shape, tiers: readonly ForeignObject[]): Wire[] | undefined {
  if (tiers.length === 0)
    return findings.leftOut(
      'price',
      id,
      'tiers',
      'tiers_missing',
      'Its tiers are not in the export: list prices with expand[]=data.tiers.',
    )
  const ours: Wire[] = []
  for (const [at, tier] of tiers.entries()) {
    const wire: Record<string, unknown> = { up_to: null }
    if (tier['up_to'] !== null && tier['up_to'] !== 'inf') {
      const upTo = wholeIn(tier['up_to'])
      if (upTo === undefined)
        return findings.leftOut(
          'price',
          id,
          `tiers/${at}/up_to`,
          'invalid_value',
          `${shown(tier['up_to'])} is no whole number.`,
        )
      wire['up_to'] = upTo
    }
    for (const name of ['unit_amount', 'flat_amount']) {
      const exact = amountIn(tier[`${name}_decimal`], digits)
      const read = exact.kind === 'none' ? amountIn(tier[name], digits) : exact
      if (read.kind === 'fault')
        return findings.leftOut('price', id, `tiers/${at}/${name}`, 'amount_not_kept', `${read.detail}.`)
      if (read.kind === 'ok') wire[name] = read.text
    }
    ours.push(wire)
  }
  return ours
}
