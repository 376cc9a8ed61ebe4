// Prices of a catalog: every model's fields and what must hold between them. Contract section 3.

import { type Scaled, scaledOne } from '../money/decimal.js'
import type { Meter, Price, PriceModel, RecurringPrice, Tier, UsagePrice } from './catalog.js'
import { readMatrix } from './catalog-matrix.js'
import { asList, asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'

/** The meters that a price may name. `declared` also has those with faults of their own; undefined: any name will do. */
export interface MeterScope {
  readonly declared: ReadonlySet<string>
  readonly meters: ReadonlyMap<string, Meter>
}

const fromZero = { sign: 'from_zero' } as const
const positive = { sign: 'positive' } as const
const perCent = { sign: 'from_zero', max: 100n * scaledOne } as const
const maxWhole = Number.MAX_SAFE_INTEGER

export const priceModels = ['per_unit', 'graduated', 'volume', 'package', 'percentage', 'matrix'] as const

export function readPrice(
  node: SourceNode,
  scope: MeterScope | undefined,
  problems: Problems,
): Price | undefined {
  const map = asMap(node, 'A price', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('price')
  const kind = reader.requiredChoice('kind', ['usage', 'recurring'] as const)
  if (kind === undefined) return undefined
  return kind === 'usage' ? readUsagePrice(reader, id, scope, problems) : readRecurringPrice(reader, id)
}

function readRecurringPrice(reader: FieldReader, id: string | undefined): RecurringPrice | undefined {
  const amount = reader.requiredDecimal('amount', fromZero)
  const per = reader.requiredChoice('per', ['subscription', 'unit'] as const)
  const timing = reader.requiredChoice('timing', ['in_advance', 'in_arrears'] as const)
  const defaultQuantity = reader.decimal('default_quantity', fromZero)
  if (per === 'subscription' && reader.has('default_quantity')) {
    reader.fault('default_quantity', 'unknown_key', 'Only a price per unit takes a default_quantity.')
  }
  const discount = readDiscount(reader)
  reader.refuseOthers('a recurring price')
  if (id === undefined || amount === undefined || per === undefined || timing === undefined) return undefined
  return {
    kind: 'recurring',
    price: id,
    amount,
    per,
    ...(defaultQuantity === undefined ? {} : { defaultQuantity }),
    timing,
    ...discount,
  }
}

function readDiscount(reader: FieldReader): { discountPercent: Scaled; discountPeriods?: number } {
  const discountPercent = reader.decimal('discount_percent', perCent)
  const discountPeriods = reader.whole('discount_periods', 1, maxWhole)
  if (discountPeriods !== undefined && !reader.has('discount_percent')) {
    reader.fault('discount_periods', 'missing_field', 'The field discount_periods needs discount_percent.')
  }
  return {
    discountPercent: discountPercent ?? 0n,
    ...(discountPeriods === undefined ? {} : { discountPeriods }),
  }
}

function readUsagePrice(
  reader: FieldReader,
  id: string | undefined,
  scope: MeterScope | undefined,
  problems: Problems,
): UsagePrice | undefined {
  const meter = reader.requiredText('meter')
  const modelName = reader.requiredChoice('model', priceModels)
  reader.choice('timing', ['in_arrears'] as const)
  const included = reader.decimal('included', fromZero)
  const discount = readDiscount(reader)
  const minimum = reader.decimal('minimum', fromZero)
  const maximum = reader.decimal('maximum', fromZero)
  const prorate = reader.flag('prorate')
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    reader.fault('maximum', 'value_out_of_range', 'The field maximum is not less than minimum.')
  }
  const model = modelName === undefined ? undefined : readModel(modelName, reader, problems)
  if (modelName !== undefined) reader.refuseOthers(`a usage price with the model ${modelName}`)
  if (meter !== undefined && scope !== undefined) checkMeter(reader, meter, model, scope)
  if (id === undefined || meter === undefined || model === undefined) return undefined
  return {
    kind: 'usage',
    price: id,
    meter,
    model,
    included: included ?? 0n,
    ...discount,
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    prorate: prorate ?? false,
  }
}

function checkMeter(reader: FieldReader, id: string, model: PriceModel | undefined, scope: MeterScope): void {
  if (!scope.declared.has(id)) reader.fault('meter', 'unknown_meter', `The catalog has no meter ${id}.`)
  const meter = scope.meters.get(id)
  const fault = meter === undefined || model === undefined ? undefined : modelFault(model, meter)
  if (fault !== undefined)
    reader.fault(model?.model === 'matrix' ? 'cells' : 'model', fault.code, fault.message)
}

/** What keeps a model from pricing a meter, once both are known. */
export function modelFault(model: PriceModel, meter: Meter): { code: string; message: string } | undefined {
  if (model.model !== 'matrix') return undefined
  const named = new Set(model.cells.flatMap(cell => [...cell.when.keys()]))
  const unknown = [...named].filter(name => !meter.dimensions.includes(name))
  if (unknown.length === 0) return undefined
  const message = `The meter ${meter.meter} has no dimension ${unknown.join(', ')}, so the cell can never match.`
  return { code: 'unknown_dimension', message }
}

function readModel(
  model: (typeof priceModels)[number],
  reader: FieldReader,
  problems: Problems,
): PriceModel | undefined {
  switch (model) {
    case 'per_unit': {
      const unitAmount = reader.requiredDecimal('unit_amount', fromZero)
      return unitAmount === undefined ? undefined : { model, unitAmount }
    }
    case 'graduated':
    case 'volume': {
      const tiers = readTiers(reader, problems)
      return tiers === undefined ? undefined : { model, tiers }
    }
    case 'package': {
      const packageSize = reader.requiredDecimal('package_size', positive)
      const packageAmount = reader.requiredDecimal('package_amount', fromZero)
      if (packageSize === undefined || packageAmount === undefined) return undefined
      return { model, packageSize, packageAmount }
    }
    case 'percentage':
      return readPercentage(reader)
    case 'matrix':
      return readMatrix(reader, problems)
    default:
      return model satisfies never
  }
}

function readPercentage(reader: FieldReader): PriceModel | undefined {
  const rate = reader.requiredDecimal('rate', fromZero)
  const fixedAmount = reader.decimal('fixed_amount', fromZero)
  const freeUnits = reader.decimal('free_units', fromZero)
  const freeEvents = reader.whole('free_events', 0, maxWhole)
  const perEventMinimum = reader.decimal('per_event_minimum', fromZero)
  const perEventMaximum = reader.decimal('per_event_maximum', fromZero)
  if (perEventMinimum !== undefined && perEventMaximum !== undefined && perEventMinimum > perEventMaximum) {
    reader.fault('per_event_maximum', 'value_out_of_range', 'It is not less than per_event_minimum.')
  }
  if (rate === undefined) return undefined
  return {
    model: 'percentage',
    rate,
    ...(fixedAmount === undefined ? {} : { fixedAmount }),
    ...(freeUnits === undefined ? {} : { freeUnits }),
    ...(freeEvents === undefined ? {} : { freeEvents }),
    ...(perEventMinimum === undefined ? {} : { perEventMinimum }),
    ...(perEventMaximum === undefined ? {} : { perEventMaximum }),
  }
}

/** Tiers have no gaps by their form: each begins where the one before ends. */
function readTiers(reader: FieldReader, problems: Problems): Tier[] | undefined {
  const node = reader.requiredField('tiers')
  const list = node === undefined ? undefined : asList(node, 'The field tiers', problems)
  if (list === undefined) return undefined
  if (list.items.length === 0) return problems.add(list, 'missing_field', 'There is at least one tier.')
  const tiers: Tier[] = []
  let previous: Scaled = 0n
  for (const [index, item] of list.items.entries()) {
    const map = asMap(item, 'A tier', problems)
    if (map === undefined) continue
    const tier = new FieldReader(map, problems)
    const upTo = readUpTo(tier, index === list.items.length - 1)
    const unitAmount = tier.decimal('unit_amount', fromZero) ?? 0n
    const flatAmount = tier.decimal('flat_amount', fromZero) ?? 0n
    tier.refuseOthers('a tier')
    if (upTo !== undefined && upTo !== null) {
      if (upTo <= previous && index > 0) {
        tier.fault('up_to', 'unsorted_tiers', 'The field up_to is greater than that of the tier before.')
      }
      previous = upTo
    }
    if (upTo !== undefined) tiers.push({ upTo, unitAmount, flatAmount })
  }
  return tiers.length === list.items.length ? tiers : undefined
}

function readUpTo(tier: FieldReader, last: boolean): Scaled | null | undefined {
  if (!tier.hasKey('up_to')) return tier.fault('up_to', 'missing_field', 'The field up_to is missing.')
  if (!tier.has('up_to')) {
    if (last) return null
    return tier.fault('up_to', 'open_tier_not_last', 'Only the last tier has up_to null.')
  }
  const upTo = tier.decimal('up_to', positive)
  if (!last) return upTo
  return tier.fault(
    'up_to',
    'last_tier_not_open',
    'The last tier has up_to null, so that every quantity has a price.',
  )
}
