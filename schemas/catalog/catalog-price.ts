// Prices of a catalog: the fields that every price has, and what must hold between them. Those of one model are
// models/<model>.ts. Contract section 3.

import { type Scaled, scaledOne } from '../money/decimal.js'
import type { Meter, Price, PriceModel, RecurringPrice, UsagePrice } from './catalog.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { fromZero } from './models/model-shape.js'
import { priceModels, shapeOf } from './models/registry.js'

/** The meters that a price may name. `declared` also has those with faults of their own; undefined: any name will do. */
export interface MeterScope {
  readonly declared: ReadonlySet<string>
  readonly meters: ReadonlyMap<string, Meter>
}

const perCent = { sign: 'from_zero', max: 100n * scaledOne } as const

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
  const discountPeriods = reader.whole('discount_periods', 1, Number.MAX_SAFE_INTEGER)
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
  const model = modelName === undefined ? undefined : shapeOf(modelName).read(reader, problems)
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
  if (meter === undefined || model === undefined) return
  const fault = shapeOf(model.model).fault?.(model, meter)
  if (fault !== undefined) reader.fault(fault.field, fault.code, fault.message)
}
