// Meters, features and rate cards of OpenMeter as meters and prices of ours.
// Invariant: what our models cannot say is left out and told; nothing is approximated.

import { type BillingPeriod, billingPeriodToWire } from '../../../schemas/catalog/billing-period.js'
import {
  amountIn,
  decimalIn,
  type ForeignObject,
  listIn,
  objectIn,
  shown,
  textIn,
  textsIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedMeter, ImportedPlan, ImportedPrice, Wire } from '../imported.js'

const aggregations: Readonly<Record<string, string>> = {
  SUM: 'sum',
  COUNT: 'count',
  AVG: 'average',
  UNIQUE_COUNT: 'unique_count',
  MIN: 'min',
  MAX: 'max',
  LATEST: 'latest',
}

const cadences: Readonly<Record<string, ImportedPlan['billingPeriod']>> = {
  P1D: 'day',
  P1W: 'week',
  P7D: 'week',
  P1M: 'month',
  P2W: '2 week',
  P3M: 'quarter',
  P6M: '6 month',
  P1Y: 'year',
  P12M: 'year',
}

export function periodOf(cadence: unknown): ImportedPlan['billingPeriod'] | undefined {
  const text = textIn(cadence)
  return Object.hasOwn(cadences, text) ? cadences[text] : undefined
}

export interface OpenMeterMeters {
  /** Ours, by the slug of a meter or the key of a feature. */
  readonly meters: ReadonlyMap<string, ImportedMeter>
  /** The meter of ours that a feature's usage is read by. */
  readonly ofFeature: ReadonlyMap<string, string>
}

export function metersOf(
  meterObjects: readonly ForeignObject[],
  features: readonly ForeignObject[],
  findings: Findings,
): OpenMeterMeters {
  const meters = new Map<string, ImportedMeter>()
  const groupsOf = new Map<string, ForeignObject>()
  for (const meter of meterObjects) {
    const slug = textIn(meter['slug'])
    const wire = meterWire(meter, slug, findings)
    if (wire === undefined) continue
    meters.set(slug, { wire, note: textIn(meter['name']) })
    groupsOf.set(slug, objectIn(meter['groupBy']))
  }
  const ofFeature = new Map<string, string>()
  for (const feature of features) {
    const key = textIn(feature['key'])
    const slug = textIn(feature['meterSlug'])
    const base = meters.get(slug)
    if (slug === '') continue
    if (base === undefined) {
      findings.leftOut(
        'feature',
        key,
        'meterSlug',
        'meter_not_imported',
        `The meter ${slug} is not there, or could not be said.`,
      )
      continue
    }
    const filters = filtersOf(feature, key, groupsOf.get(slug) ?? {}, findings)
    if (filters === undefined) continue
    const isFiltered = Object.keys(filters).length > 0
    const name = isFiltered ? `feature:${key}` : slug
    if (isFiltered)
      meters.set(name, { wire: { ...base.wire, meter: name, filters }, note: textIn(feature['name']) })
    ofFeature.set(key, name)
  }
  return { meters, ofFeature }
}

function meterWire(
  meter: ForeignObject,
  slug: string,
  findings: Findings,
): ImportedMeter['wire'] | undefined {
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('meter', slug || textIn(meter['id']), field, code, detail)
  const named = textIn(meter['aggregation'])
  const aggregation = Object.hasOwn(aggregations, named) ? aggregations[named] : undefined
  const eventType = textIn(meter['eventType'])
  if (slug === '' || eventType === '')
    return leave(slug === '' ? 'slug' : 'eventType', 'missing_value', 'It is missing.')
  if (aggregation === undefined)
    return leave('aggregation', 'unknown_aggregation', `No aggregation is ${shown(named)}.`)
  const path = pathOf(meter['valueProperty'])
  if (aggregation !== 'count' && path === undefined)
    return leave(
      'valueProperty',
      'path_not_plain',
      `A meter reads a plain path, not ${shown(meter['valueProperty'])}.`,
    )
  if (textIn(meter['eventFrom']) !== '')
    findings.note('meter', slug, 'eventFrom', 'event_from', 'Events before it are counted here.')
  return {
    meter: slug,
    event_type: eventType,
    aggregation,
    ...(aggregation === 'count' ? {} : { value: path }),
  }
}

/** `$.usage.tokens` as `usage.tokens`; undefined for a path that is more than names. */
function pathOf(value: unknown): string | undefined {
  return /^\$\.([A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*)$/.exec(textIn(value))?.[1]
}

function filtersOf(
  feature: ForeignObject,
  key: string,
  groups: ForeignObject,
  findings: Findings,
): Record<string, readonly string[]> | undefined {
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('feature', key, field, code, detail)
  const advanced = Object.entries(objectIn(feature['advancedMeterGroupByFilters']))
  const plain = Object.entries(objectIn(feature['meterGroupByFilters'])).map(
    ([group, value]) => [group, { $eq: value }] as const,
  )
  const filters: Record<string, readonly string[]> = {}
  for (const [group, condition] of advanced.length > 0 ? advanced : plain) {
    const path = pathOf(groups[group])
    const { $eq: one, $in: some, ...others } = objectIn(condition)
    const values = typeof one === 'string' ? [one] : textsIn(some)
    if (path === undefined)
      return leave(`meterGroupByFilters.${group}`, 'path_not_plain', `The group ${group} has no plain path.`)
    if (values.length === 0 || Object.keys(others).length > 0)
      return leave(
        `meterGroupByFilters.${group}`,
        'unknown_filter',
        `A filter names values; it is ${shown(condition)}.`,
      )
    filters[path] = values
  }
  return filters
}

export interface CardContext {
  readonly billingPeriod: ImportedPlan['billingPeriod']
  readonly meters: OpenMeterMeters
  readonly findings: Findings
  /** Names the plan or subscription in findings. */
  readonly of: string
}

/** The price of a rate card, or of an item of a subscription; undefined: it is free, or could not be said. */
export function priceOf(
  card: ForeignObject,
  { billingPeriod, meters, findings, of }: CardContext,
): ImportedPrice | undefined {
  const key = textIn(card['key'])
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('rate_card', key, field, code, `${of}: ${detail}`)
  const price = objectIn(card['price'])
  const type = textIn(price['type'])
  if (key === '') return leave('key', 'missing_value', 'It is missing.')
  if (card['price'] === null || card['price'] === undefined) return undefined
  if (card['billingCadence'] === null)
    return leave(
      'billingCadence',
      'one_time_fee',
      'It was owed once, when the phase began: if it is open, send it as weir.charge.added.',
    )
  const own = ownPeriod(card, billingPeriod)
  if (own === undefined)
    return leave(
      'billingCadence',
      'unsupported_interval',
      `No billing period is ${shown(card['billingCadence'])}.`,
    )
  const fault = Object.keys(price).find(
    field => numbers.has(field) && amountIn(price[field]).kind === 'fault',
  )
  if (fault !== undefined)
    return leave(
      `price.${fault}`,
      'amount_not_kept',
      `${shown(price[fault])} cannot be kept to the last digit.`,
    )
  const discounts = discountsOf(card)
  const note = textIn(card['name'])
  if (type === 'flat') return flatPrice(card, { ...own, ...discounts.percent }, leave)
  const feature = textIn(card['featureKey']) || key
  const meter = meters.ofFeature.get(feature)
  if (meter === undefined)
    return leave(
      'featureKey',
      'meter_not_imported',
      `The feature ${feature} has no meter that could be said.`,
    )
  const model = modelOf(price, type, leave)
  if (model === undefined) return undefined
  const bound = (field: string, as: string) =>
    decimalIn(price[field]) === '' ? {} : { [as]: decimalIn(price[field]) }
  return {
    wire: {
      ...{ price: key, kind: 'usage', meter, ...own, ...model, ...discounts.units, ...discounts.percent },
      ...bound('minimumAmount', 'minimum'),
      ...bound('maximumAmount', 'maximum'),
    },
    note,
  }
}

function flatPrice(card: ForeignObject, more: Wire, leave: Leave): ImportedPrice | undefined {
  const price = objectIn(card['price'])
  const timing = textIn(price['paymentTerm']) === 'in_arrears' ? 'in_arrears' : 'in_advance'
  const amount = decimalIn(price['amount'])
  if (amount === '') return leave('price.amount', 'missing_value', 'It is missing.')
  const key = textIn(card['key'])
  return {
    wire: { price: key, kind: 'recurring', amount, per: 'subscription', timing, ...more },
    note: textIn(card['name']),
  }
}

/** Where it is not the plan's; undefined: it cannot be said. */
function ownPeriod(card: ForeignObject, billingPeriod: BillingPeriod): Wire | undefined {
  if (card['billingCadence'] === undefined) return {}
  const period = periodOf(card['billingCadence'])
  if (period === undefined) return undefined
  return period === billingPeriod ? {} : { billing_period: billingPeriodToWire(period) }
}

const numbers = new Set(['amount', 'multiplier', 'quantityPerPackage', 'minimumAmount', 'maximumAmount'])

type Leave = (field: string, code: string, detail: string) => undefined

function modelOf(price: ForeignObject, type: string, leave: Leave): Wire | undefined {
  const amount = decimalIn(price['amount'])
  switch (type) {
    case 'unit':
      return amount === ''
        ? leave('price.amount', 'missing_value', 'It is missing.')
        : { model: 'per_unit', unit_amount: amount }
    case 'dynamic':
      // The usage is an amount already: so many times it is owed.
      return { model: 'per_unit', unit_amount: decimalIn(price['multiplier']) || '1' }
    case 'package': {
      const size = decimalIn(price['quantityPerPackage'])
      if (amount === '' || size === '') return leave('price.amount', 'missing_value', 'It is missing.')
      return { model: 'package', package_size: size, package_amount: amount }
    }
    case 'tiered':
      return tiersOf(price, leave)
    default:
      return leave('price.type', 'unknown_model', `No model is ${shown(type)}.`)
  }
}

function tiersOf(price: ForeignObject, leave: Leave): Wire | undefined {
  const mode = textIn(price['mode'])
  if (mode !== 'graduated' && mode !== 'volume')
    return leave('price.mode', 'unknown_tiers_mode', `No model is ${shown(mode)}.`)
  const tiers: Wire[] = []
  for (const [at, tier] of listIn(price['tiers']).entries()) {
    const upTo = amountIn(tier['upToAmount'])
    const unit = amountIn(objectIn(tier['unitPrice'])['amount'])
    const flat = amountIn(objectIn(tier['flatPrice'])['amount'])
    if (upTo.kind === 'fault' || unit.kind === 'fault' || flat.kind === 'fault')
      return leave(`price.tiers/${at}`, 'amount_not_kept', `${shown(tier)} cannot be kept to the last digit.`)
    tiers.push({
      up_to: upTo.kind === 'ok' ? upTo.text : null,
      ...(unit.kind === 'ok' ? { unit_amount: unit.text } : {}),
      ...(flat.kind === 'ok' ? { flat_amount: flat.text } : {}),
    })
  }
  return tiers.length === 0
    ? leave('price.tiers', 'missing_value', 'It has no tiers.')
    : { model: mode, tiers }
}

function discountsOf(card: ForeignObject): { readonly percent: Wire; readonly units: Wire } {
  const discounts = objectIn(card['discounts'])
  const percent = decimalIn(objectIn(discounts['percentage'])['percentage'])
  const units = decimalIn(objectIn(discounts['usage'])['quantity'])
  return {
    percent: percent === '' || percent === '0' ? {} : { discount_percent: percent },
    units: units === '' || units === '0' ? {} : { included: units },
  }
}
