// Usage prices: the fields that they have whatever their model, and what must hold between them. Those of one model are
// models/<model>.ts. Contract section 3.

import { z } from 'zod'
import { nameField, quantityField } from '../json/wire-fields.js'
import { billingPeriodField, billingPeriodToWire, readBillingPeriod } from './billing-period.js'
import type { Meter, PriceModel, UsagePrice } from './catalog.js'
import type { FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import { currenciesField } from './currencies-field.js'
import { discountFields, discountToWire, readDiscount } from './discount.js'
import { type GroupBy, groupByFields, groupByToWire, groupFault, readGroupBy } from './group-by.js'
import { decimal, fromZero, type Wire } from './models/model-shape.js'
import { modelFault, priceModels, shapeOf } from './models/registry.js'
import { type ProrationRule, plainProrationField, prorationRules } from './proration.js'

/** The meters that a price may name. `declared` also has those with faults of their own; undefined: any name will do. */
export interface MeterScope {
  readonly declared: ReadonlySet<string>
  readonly meters: ReadonlyMap<string, Meter>
}

export function readUsagePrice(
  reader: FieldReader,
  id: string | undefined,
  scope: MeterScope | undefined,
  problems: Problems,
): UsagePrice | undefined {
  const meter = reader.requiredText('meter')
  const modelName = reader.requiredChoice('model', priceModels)
  reader.choice('timing', ['in_arrears'] as const)
  const billingPeriod = readBillingPeriod(reader, problems)
  const groups = readGroupBy(reader, problems)
  const included = reader.decimal('included', fromZero)
  const discount = readDiscount(reader)
  const minimum = reader.decimal('minimum', fromZero)
  const maximum = reader.decimal('maximum', fromZero)
  const prorate = reader.flag('prorate')
  const proration = readPlainProration(reader, prorate ?? false)
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    reader.fault('maximum', 'value_out_of_range', 'The field maximum is not less than minimum.')
  }
  const model = modelName === undefined ? undefined : shapeOf(modelName).read(reader, problems)
  if (modelName !== undefined) reader.refuseOthers(`a usage price with the model ${modelName}`)
  if (meter !== undefined && scope !== undefined) checkMeter(reader, meter, { model, groups }, scope)
  if (id === undefined || meter === undefined || model === undefined) return undefined
  return {
    kind: 'usage',
    price: id,
    meter,
    model,
    ...groups,
    ...(billingPeriod === undefined ? {} : { billingPeriod }),
    ...(proration === undefined ? {} : { proration }),
    included: included ?? 0n,
    ...discount,
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum }),
    prorate: prorate ?? false,
  }
}

/** What `prorate: true` counts parts in. Usage is what it is: it neither increases nor decreases at a change of terms. */
function readPlainProration(reader: FieldReader, prorate: boolean): ProrationRule | undefined {
  if (reader.field('proration')?.kind === 'map')
    return reader.fault(
      'proration',
      'wrong_type',
      'A usage price has no increase and no decrease: one of none, second, day.',
    )
  const proration = reader.choice('proration', prorationRules)
  if (proration === 'none' && prorate)
    return reader.fault(
      'proration',
      'invalid_value',
      'The fields proration: none and prorate: true contradict each other.',
    )
  if (proration !== undefined && proration !== 'none' && !prorate)
    return reader.fault('proration', 'missing_field', 'The proration of a usage price needs prorate: true.')
  return proration
}

function checkMeter(
  reader: FieldReader,
  id: string,
  { model, groups }: { readonly model: PriceModel | undefined; readonly groups: GroupBy },
  scope: MeterScope,
): void {
  if (!scope.declared.has(id)) reader.fault('meter', 'unknown_meter', `The catalog has no meter ${id}.`)
  const meter = scope.meters.get(id)
  if (meter === undefined || model === undefined) return
  for (const fault of [modelFault(model, meter), groupFault(groups, meter)])
    if (fault !== undefined) reader.fault(fault.field, fault.code, fault.message)
}

export function usagePriceToWire(price: UsagePrice): Wire {
  return {
    price: price.price,
    kind: price.kind,
    meter: price.meter,
    model: price.model.model,
    ...shapeOf(price.model.model).toWire(price.model),
    ...(price.billingPeriod === undefined
      ? {}
      : { billing_period: billingPeriodToWire(price.billingPeriod) }),
    ...groupByToWire(price),
    ...(price.included === 0n ? {} : decimal('included', price.included)),
    ...discountToWire(price),
    ...decimal('minimum', price.minimum),
    ...decimal('maximum', price.maximum),
    ...(price.prorate ? { prorate: true } : {}),
    ...(price.proration === undefined ? {} : { proration: price.proration }),
  }
}

const usageFields = {
  price: nameField,
  kind: z.literal('usage'),
  meter: nameField,
  timing: z.literal('in_arrears').optional(),
  billing_period: billingPeriodField.optional(),
  ...groupByFields,
  included: quantityField.optional(),
  currencies: currenciesField.optional(),
  ...discountFields,
  minimum: quantityField.optional(),
  maximum: quantityField.optional(),
  prorate: z.boolean().optional(),
  proration: plainProrationField.optional(),
}

const [firstModel, ...otherModels] = priceModels.map(model =>
  z.strictObject({ ...usageFields, model: z.literal(model), ...shapeOf(model).fields }),
)
export const usagePriceSchema = z.discriminatedUnion('model', [firstModel!, ...otherModels])
