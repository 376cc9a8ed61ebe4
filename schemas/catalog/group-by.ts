// `group_by` of a usage price: dimensions of its meter, by whose values it is priced group by group. How it is read, written and
// described, and which meters it cannot go with.
// Invariant: a price is grouped by dimensions that its meter has, each named once, or not at all.

import { z } from 'zod'
import { nameField, wholeField } from '../json/wire-fields.js'
import { nearestHint } from '../nearest-name.js'
import { type Aggregation, aggregationFacts } from './aggregations.js'
import { type FieldReader, readText } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import type { ModelFault, Wire } from './models/model-shape.js'

export interface GroupBy {
  readonly groupBy?: readonly string[]
  /** How many groups one charge may have; absent: `usualGroups`. */
  readonly maxGroups?: number
}

export const usualGroups = 1_000
const mostGroups = 10_000

export function readGroupBy(reader: FieldReader, problems: Problems): GroupBy {
  const items = reader.list('group_by')
  const maxGroups = reader.whole('max_groups', 1, mostGroups)
  if (items === undefined) {
    if (reader.has('max_groups'))
      reader.fault('max_groups', 'missing_field', 'The field max_groups needs group_by.')
    return {}
  }
  if (items.length === 0) reader.fault('group_by', 'missing_field', 'The field group_by names a dimension.')
  const groupBy: string[] = []
  for (const item of items) {
    const name = readText(item, 'group_by', problems)
    if (name === undefined) continue
    if (groupBy.includes(name))
      problems.add(item, 'duplicate_dimension', `The dimension ${name} is given twice.`)
    groupBy.push(name)
  }
  return { groupBy, ...(maxGroups === undefined || maxGroups === usualGroups ? {} : { maxGroups }) }
}

export function groupByToWire({ groupBy, maxGroups }: GroupBy): Wire {
  return {
    ...(groupBy === undefined ? {} : { group_by: groupBy }),
    ...(maxGroups === undefined ? {} : { max_groups: maxGroups }),
  }
}

export const groupByFields = {
  group_by: z
    .array(nameField)
    .min(1)
    .optional()
    .meta({ description: 'Dimensions of the meter: each combination of their values is priced by itself.' }),
  max_groups: wholeField(1, mostGroups).optional(),
}

/** Why the price cannot be grouped so; undefined: it can. */
export function groupFault(
  { groupBy = [] }: GroupBy,
  meter: {
    readonly meter: string
    readonly dimensions: readonly string[]
    readonly aggregation: Aggregation
  },
): ModelFault | undefined {
  if (groupBy.length === 0) return undefined
  const unknown = groupBy.find(name => !meter.dimensions.includes(name))
  if (unknown !== undefined) {
    const message = `The meter ${meter.meter} has no dimension ${unknown}${nearestHint(unknown, meter.dimensions)}.`
    return { field: 'group_by', code: 'unknown_dimension', message }
  }
  if (!isOneOfAll(meter.aggregation)) return undefined
  const message =
    `The meter ${meter.meter} has the aggregation ${meter.aggregation}, which is of all usage together and not of groups. ` +
    'Give each group a meter with a filter.'
  return { field: 'group_by', code: 'model_cannot_price_meter', message }
}

/** Levels that carry over, and quotients. */
function isOneOfAll(aggregation: Aggregation): boolean {
  return (
    aggregation === 'weighted_sum' ||
    aggregation === 'time_average' ||
    aggregation === 'persistent_unique_count' ||
    aggregationFacts[aggregation].quotient === true
  )
}
