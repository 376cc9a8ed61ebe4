// Billable metrics and charges of Lago as meters and prices of ours.
// Invariant: what our models cannot say is left out and told; nothing is approximated.

import { parseExpression } from '../../../schemas/catalog/expression.js'
import { minorUnits } from '../../../schemas/money/currency.js'
import {
  amountIn,
  decimalIn,
  type ForeignObject,
  listIn,
  objectIn,
  shown,
  textIn,
  textsIn,
  wholeIn,
} from '../fields.js'
import type { Findings } from '../findings.js'
import type { ImportedMeter, ImportedPrice, Wire } from '../imported.js'

const aggregations: Readonly<Record<string, string>> = {
  count_agg: 'count',
  sum_agg: 'sum',
  max_agg: 'max',
  unique_count_agg: 'unique_count',
  weighted_sum_agg: 'weighted_sum',
  latest_agg: 'latest',
}
const allValues = '__ALL_FILTER_VALUES__'
const mostCells = 1_000

/** Of ours: properties are fields of data, and names of functions are small. Attributes of the event are none of ours. */
function expressionOf(foreign: string): string {
  return foreign
    .replace(/\bevent\.properties\./g, '')
    .replace(/\b(round|ceil|floor)\s*\(/gi, call => call.toLowerCase())
    .replace(/\bevent\.(?=[a-z])/g, '@')
}

export function metersOf(metrics: readonly ForeignObject[], findings: Findings): Map<string, ImportedMeter> {
  const meters = new Map<string, ImportedMeter>()
  for (const metric of metrics) {
    const code = textIn(metric['code'])
    const leave = (field: string, why: string, detail: string) =>
      findings.leftOut('billable_metric', code, field, why, detail)
    const type = textIn(metric['aggregation_type'])
    const aggregation = Object.hasOwn(aggregations, type) ? aggregations[type] : undefined
    const isRecurring = metric['recurring'] === true
    const formula = expressionOf(textIn(metric['expression']))
    const expression = formula === '' ? undefined : parseExpression(formula)
    if (code === '') leave('code', 'missing_value', 'It is missing.')
    else if (aggregation === undefined)
      leave('aggregation_type', 'unknown_aggregation', `No aggregation is ${shown(type)}.`)
    else if (expression?.kind === 'invalid')
      leave(
        'expression',
        'expression',
        `At character ${expression.at} of ours is expected ${expression.expected}.`,
      )
    else if (expression !== undefined && (aggregation === 'count' || aggregation === 'unique_count'))
      leave('expression', 'expression', `Our ${aggregation} takes no expression.`)
    else if (textIn(metric['rounding_function']) !== '')
      leave('rounding_function', 'rounded_quantity', 'Quantities are not rounded.')
    else if (aggregation === 'weighted_sum' && !isRecurring)
      leave('recurring', 'level_restarts', 'A level carries over into the next period.')
    else if (aggregation !== 'weighted_sum' && isRecurring)
      leave('recurring', 'carries_over', 'A quantity begins at 0 in each period.')
    else {
      const read =
        expression === undefined ? { value: textIn(metric['field_name']) } : { expression: formula }
      const field = aggregation === 'count' ? {} : read
      meters.set(code, {
        wire: { meter: code, event_type: code, aggregation, ...field },
        note: textIn(metric['name']),
      })
    }
  }
  return meters
}

export interface ChargeOf {
  readonly charge: ForeignObject
  readonly name: string
  readonly currency: string
  readonly metrics: ReadonlyMap<string, ForeignObject>
  /** A charge may need a meter of its own. */
  readonly meters: Map<string, ImportedMeter>
  readonly findings: Findings
}

/** Undefined when it cannot be said; then the findings tell why. */
export function priceOf(of: ChargeOf): ImportedPrice | undefined {
  const { charge, name, currency, meters, findings } = of
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('charge', name, field, code, detail)
  const metric = textIn(charge['billable_metric_code'])
  const model = textIn(charge['charge_model'])
  const properties = objectIn(charge['properties'])
  if (!meters.has(metric))
    return leave(
      'billable_metric_code',
      'meter_not_imported',
      `The metric ${metric} is not there, or could not be said.`,
    )
  if (charge['prorated'] === true)
    return leave('prorated', 'prorated_charge', 'Units are not prorated by the days that are left.')
  if (charge['applied_pricing_unit'])
    return leave('applied_pricing_unit', 'pricing_unit', 'Prices are in currencies.')
  const groups = textsIn(properties['pricing_group_keys'] ?? properties['grouped_by'])
  if (groups.length > 0 && model !== 'standard')
    return leave(
      'properties.pricing_group_keys',
      'price_by_group',
      'Tiers and packages count all usage of the meter.',
    )
  if (charge['pay_in_advance'] === true)
    findings.differs(
      'charge',
      name,
      'pay_in_advance',
      'pay_in_advance',
      'It is owed when its period is over, in one amount.',
    )
  const digits = minorUnits(currency) ?? 2
  const least = amountIn(charge['min_amount_cents'], digits)
  const minimum = least.kind === 'ok' && least.value > 0n ? { minimum: least.text } : {}
  const filters = listIn(charge['filters'])
  if (model === 'dynamic') return dynamic(of, metric, digits, minimum)
  const own = filters.length > 0 ? matrixOf(of, metric, filters) : modelOf(of, model, properties)
  if (own === undefined) return undefined
  const { meter = metric, ...terms } = own as Wire & { meter?: string }
  return {
    wire: { price: name, kind: 'usage', meter, ...terms, ...minimum },
    note: textIn(charge['invoice_display_name']),
  }
}

function modelOf({ name, findings }: ChargeOf, model: string, properties: ForeignObject): Wire | undefined {
  const leave = (field: string, code: string, detail: string) =>
    findings.leftOut('charge', name, `properties.${field}`, code, detail)
  const fault = Object.keys(properties).find(
    key => amountKeys.has(key) && amountIn(properties[key]).kind === 'fault',
  )
  if (fault !== undefined)
    return leave(fault, 'amount_not_kept', `${shown(properties[fault])} cannot be kept to the last digit.`)
  const text = (field: string) => decimalIn(properties[field])
  const some = (field: string, as: string) => (text(field) === '' ? {} : { [as]: text(field) })
  switch (model) {
    case 'standard':
      return text('amount') === ''
        ? leave('amount', 'missing_value', 'It is missing.')
        : { model: 'per_unit', unit_amount: text('amount') }
    case 'package': {
      if (text('amount') === '' || text('package_size') === '')
        return leave('amount', 'missing_value', 'It is missing.')
      const included = text('free_units') === '0' ? {} : some('free_units', 'included')
      return {
        model: 'package',
        package_size: text('package_size'),
        package_amount: text('amount'),
        ...included,
      }
    }
    case 'graduated':
    case 'volume':
      return tiersOf(name, model, listIn(properties[`${model}_ranges`]), findings)
    case 'percentage': {
      if (text('rate') === '') return leave('rate', 'missing_value', 'It is missing.')
      const freeEvents = wholeIn(properties['free_units_per_events'])
      return {
        model: 'percentage',
        rate: text('rate'),
        ...some('fixed_amount', 'fixed_amount'),
        ...some('free_units_per_total_aggregation', 'free_units'),
        ...(freeEvents === undefined || freeEvents === '0' ? {} : { free_events: Number(freeEvents) }),
        ...some('per_transaction_min_amount', 'per_event_minimum'),
        ...some('per_transaction_max_amount', 'per_event_maximum'),
      }
    }
    default:
      return findings.leftOut(
        'charge',
        name,
        'charge_model',
        model === 'graduated_percentage' ? model : 'unknown_model',
        `No model is ${shown(model)}.`,
      )
  }
}

const amountKeys = new Set([
  ...['amount', 'package_size', 'free_units', 'rate', 'fixed_amount', 'free_units_per_total_aggregation'],
  ...['per_transaction_min_amount', 'per_transaction_max_amount'],
])

/** Of a charge or a fixed charge. */
export function tiersOf(
  name: string,
  model: string,
  ranges: readonly ForeignObject[],
  findings: Findings,
): Wire | undefined {
  const tiers: Wire[] = []
  for (const [at, range] of ranges.entries()) {
    const [unit, flat] = [amountIn(range['per_unit_amount']), amountIn(range['flat_amount'])]
    const upTo = range['to_value'] === null ? null : wholeIn(range['to_value'])
    if (unit.kind === 'fault' || flat.kind === 'fault' || upTo === undefined) {
      const place = `properties.${model}_ranges/${at}`
      return findings.leftOut(
        'charge',
        name,
        place,
        'amount_not_kept',
        `${shown(range)} cannot be kept to the last digit.`,
      )
    }
    if (at === 0 && flat.kind === 'ok' && flat.value > 0n)
      findings.differs(
        'charge',
        name,
        'flat_amount',
        'flat_amount_at_zero',
        'Without usage Lago owes nothing; here the flat amount of the first tier is owed.',
      )
    tiers.push({
      up_to: upTo,
      ...(unit.kind === 'ok' ? { unit_amount: unit.text } : {}),
      ...(flat.kind === 'ok' && flat.value !== 0n ? { flat_amount: flat.text } : {}),
    })
  }
  return tiers.length === 0
    ? findings.leftOut('charge', name, 'properties', 'missing_value', 'It has no ranges.')
    : { model, tiers }
}

/** Other prices for some values of fields: a matrix says it where all of them are so much for a unit. */
function matrixOf(of: ChargeOf, metric: string, filters: readonly ForeignObject[]): Wire | undefined {
  const { charge, name, metrics, meters, findings } = of
  const leave = (code: string, detail: string) => findings.leftOut('charge', name, 'filters', code, detail)
  if (textIn(charge['charge_model']) !== 'standard')
    return leave('filters_of_model', 'Only amounts for a unit differ by the values of fields.')
  const known = new Map(
    listIn(metrics.get(metric)?.['filters']).map(one => [textIn(one['key']), textsIn(one['values'])]),
  )
  const cells: { when: Record<string, string>; unit_amount: string }[] = []
  const dimensions = new Set<string>()
  for (const filter of filters) {
    const amount = decimalIn(objectIn(filter['properties'])['amount'])
    if (amount === '') return leave('missing_value', 'A filter has no amount.')
    let whens: Record<string, string>[] = [{}]
    for (const [key, values] of Object.entries(objectIn(filter['values']))) {
      dimensions.add(key)
      const named = textsIn(values)
      const all = named.includes(allValues) ? (known.get(key) ?? []) : named
      whens = whens.flatMap(when => all.map(value => ({ ...when, [key]: value })))
      if (whens.length > mostCells)
        return leave('too_many_cells', `Its filters come to more than ${mostCells} combinations.`)
    }
    cells.push(...whens.map(when => ({ when, unit_amount: amount })))
  }
  const base = meters.get(metric)
  if (base === undefined || dimensions.size === 0) return leave('missing_value', 'Its filters name no field.')
  const meter = `${metric}:${[...dimensions].sort().join('+')}`
  meters.set(meter, {
    wire: { ...base.wire, meter, dimensions: [...dimensions].sort() },
    note: base.note ?? '',
  })
  const otherwise = decimalIn(objectIn(charge['properties'])['amount'])
  return { meter, model: 'matrix', cells, ...(otherwise === '' ? {} : { default_unit_amount: otherwise }) }
}

/** The events bring their amounts: their sum, in the smallest unit of the currency, is what is owed. */
function dynamic(of: ChargeOf, metric: string, digits: number, minimum: Wire): ImportedPrice {
  const meter = `${metric}:amount`
  of.meters.set(meter, {
    wire: { meter, event_type: metric, aggregation: 'sum', value: 'precise_total_amount_cents' },
    note: 'The amounts that the events bring',
  })
  const unit = decimalIn('1', digits)
  return { wire: { price: of.name, kind: 'usage', meter, model: 'per_unit', unit_amount: unit, ...minimum } }
}
