// The groups of a price with `group_by`: which one an event belongs to, and the state that is kept for each.
// Invariant: equal values of the dimensions, equal groups; an event without a dimension is in another group than one whose
// value is the empty text.

import type { UsagePrice } from '../../../schemas/catalog/catalog.js'
import { usualGroups } from '../../../schemas/catalog/group-by.js'
import type { Scaled } from '../../../schemas/money/decimal.js'
import type { AggregationState } from '../../aggregations/registry.js'
import type { MatrixUsage } from '../matrix/cells.js'
import type { PercentageUsage } from '../percentage/usage.js'

/** The state of the charge: that of the model, or of the aggregation, by group. Plain data. */
export interface GroupedUsage {
  readonly kind: 'grouped'
  readonly groups: Map<string, Group>
  /** The magnitudes of all values that add up. */
  held: Scaled
}

export interface Group {
  events: number
  readonly state: AggregationState | MatrixUsage | PercentageUsage
}

/** The group of an event with these dimensions: the JSON of their values in order, null where it has none. '' without groups. */
export function groupOf({ groupBy }: UsagePrice, dimensions: ReadonlyMap<string, string>): string {
  return groupBy === undefined ? '' : JSON.stringify(groupBy.map(name => dimensions.get(name) ?? null))
}

/** `project=a, region=` of the group. */
export function groupName({ groupBy = [] }: UsagePrice, group: string): string {
  const values = JSON.parse(group) as readonly (string | null)[]
  return groupBy.map((name, at) => (values[at] === null ? `no ${name}` : `${name}=${values[at]}`)).join(', ')
}

export function groupLimit({ maxGroups = usualGroups }: UsagePrice): number {
  return maxGroups
}

/** Whether the charge has as many groups as it may have, and not this one. */
export function isFull(
  price: UsagePrice,
  groups: ReadonlyMap<string, unknown> | undefined,
  group: string,
): boolean {
  return groups !== undefined && groups.size >= groupLimit(price) && !groups.has(group)
}

/** The groups of a charge's state; undefined where it has none. */
export function groupsIn(state: { readonly kind: string } | undefined): GroupedUsage['groups'] | undefined {
  return state?.kind === 'grouped' ? (state as GroupedUsage).groups : undefined
}
