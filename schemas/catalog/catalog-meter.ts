// Meters: how their fields are read, written and described. Contract section 3.
// Invariant: a written meter is read back equal.

import { z } from 'zod'
import { nameField, positiveField } from '../json/wire-fields.js'
import { scaledOne } from '../money/decimal.js'
import {
  type Aggregation,
  type AggregationFacts,
  aggregationFacts,
  namedAggregations,
} from './aggregations.js'
import type { Meter } from './catalog.js'
import { asMap, FieldReader, readText } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'
import { eventTypesToWire, readEventTypes, withEventTypes } from './meter-event-types.js'
import { filtersField, filtersToWire, readFilters } from './meter-filter.js'
import { namedAggregation, operationToWire, persistent, readOperation } from './meter-operation.js'
import {
  meterValueToWire,
  pathField,
  quantityValueFields,
  readMeterValue,
  textValueFields,
} from './meter-value.js'
import { overWindows, readWindow, windowAggregations, windowFieldsFor, windowToWire } from './meter-window.js'
import { decimal, type Wire } from './models/model-shape.js'

export function readMeter(node: SourceNode, declared: Set<string>, problems: Problems): Meter | undefined {
  const map = asMap(node, 'A meter', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const id = reader.requiredText('meter')
  if (id !== undefined && declared.has(id))
    reader.fault('meter', 'duplicate_meter', `The meter ${id} is given twice.`)
  if (id !== undefined) declared.add(id)
  const eventTypes = readEventTypes(reader, problems)
  const aggregation = reader.requiredChoice('aggregation', namedAggregations)
  const window = readWindow(reader, aggregation)
  const value = readMeterValue(reader, window?.aggregation ?? aggregation, problems)
  const operation = readOperation(reader, aggregation, window, problems)
  const percentile = reader.decimal('percentile', { sign: 'positive', max: 100n * scaledOne })
  const facts = aggregation && aggregationFacts[aggregation]
  if (facts?.takesPercentile) reader.requiredField('percentile')
  else if (aggregation !== undefined && reader.has('percentile')) {
    reader.fault('percentile', 'unknown_key', `The aggregation ${aggregation} takes no percentile.`)
  }
  const filters = readFilters(reader, problems)
  const dimensions = readDimensions(reader, problems)
  const unit = reader.text('unit')
  const allowNegative = reader.flag('allow_negative')
  reader.refuseOthers('a meter')
  if (id === undefined || eventTypes === undefined || aggregation === undefined) return undefined
  return {
    meter: id,
    eventTypes,
    aggregation: operation.operation === undefined ? aggregation : persistent(aggregation),
    ...(window === undefined ? {} : { window }),
    ...value,
    ...operation,
    ...(percentile === undefined ? {} : { percentile }),
    filters,
    dimensions,
    ...(unit === undefined ? {} : { unit }),
    allowNegative: allowNegative ?? facts?.negativeByDefault ?? false,
  }
}

function readDimensions(reader: FieldReader, problems: Problems): string[] {
  const names: string[] = []
  for (const item of reader.list('dimensions') ?? []) {
    const name = readText(item, 'dimensions', problems)
    if (name === undefined) continue
    if (names.includes(name))
      problems.add(item, 'duplicate_dimension', `The dimension ${name} is given twice.`)
    names.push(name)
  }
  return names
}

export function meterToWire(meter: Meter): Wire {
  return {
    meter: meter.meter,
    ...eventTypesToWire(meter.eventTypes),
    aggregation: namedAggregation(meter.aggregation),
    ...windowToWire(meter.window),
    ...meterValueToWire(meter),
    ...operationToWire(meter.operation),
    ...decimal('percentile', meter.percentile),
    ...(meter.filters.size === 0 ? {} : { filters: filtersToWire(meter.filters) }),
    ...(meter.dimensions.length === 0 ? {} : { dimensions: meter.dimensions }),
    ...(meter.unit === undefined ? {} : { unit: meter.unit }),
    ...(meter.allowNegative === (aggregationFacts[meter.aggregation].negativeByDefault ?? false)
      ? {}
      : { allow_negative: meter.allowNegative }),
  }
}

const meterFields = {
  meter: nameField,
  filters: filtersField.optional(),
  dimensions: z.array(nameField).optional(),
  unit: nameField.optional(),
  allow_negative: z.boolean().optional(),
}

/** Meters of the aggregations that need the same fields. */
function metersOf(asks: (facts: AggregationFacts) => boolean, fields: z.ZodRawShape) {
  const [first, ...others] = namedAggregations.filter(name => asks(aggregationFacts[name])) as [
    Aggregation,
    ...Aggregation[],
  ]
  const aggregation = others.length === 0 ? z.literal(first) : z.enum([first, ...others])
  return withEventTypes({ ...meterFields, aggregation, ...fields })
}

/** Windows, aggregated by an aggregation that reads so. */
function windowMeters(asked: AggregationFacts['reads'], values: readonly z.ZodRawShape[]) {
  const each = windowAggregations.filter(name => aggregationFacts[name].reads === asked)
  return values.flatMap(value =>
    [false, true].map(takes =>
      withEventTypes({
        ...meterFields,
        aggregation: z.enum(
          overWindows.filter(name => (aggregationFacts[name].takesPercentile ?? false) === takes) as [
            Aggregation,
            ...Aggregation[],
          ],
        ),
        ...windowFieldsFor(each),
        ...value,
        ...(takes ? { percentile: positiveField } : {}),
      }),
    ),
  )
}

const operationField = pathField.meta({
  description: 'Path into data whose text is add or remove: a value is present from the one until the other.',
})

export const meterSchema = z.union([
  metersOf(({ reads }) => reads === 'nothing', {}),
  ...textValueFields.map(fields =>
    metersOf(({ reads }) => reads === 'text', { ...fields, operation: operationField.optional() }),
  ),
  ...quantityValueFields.map(fields =>
    metersOf(({ reads, takesPercentile }) => reads === 'quantity' && !takesPercentile, fields),
  ),
  ...quantityValueFields.map(fields =>
    metersOf(({ takesPercentile }) => takesPercentile === true, { ...fields, percentile: positiveField }),
  ),
  ...windowMeters('nothing', [{}]),
  ...windowMeters('text', textValueFields),
  ...windowMeters('quantity', quantityValueFields),
])
