// `group_by`: the lines of each group, its name before each label, and their sum. Formula: model.ts.
// A charge of very many groups lists some and gives the others as one sum.

import type { PriceModel } from '../../../schemas/catalog/catalog.js'
import { explainQuantity } from '../../aggregations/explain-quantity.js'
import type { AggregationState } from '../../aggregations/registry.js'
import { explainIncluded, type Part } from '../../steps/part-of-period.js'
import { type Ratio, sumOf } from '../../steps/ratio.js'
import { money, quantity, type Step, type StepKind, type StepValue, sumStep, text } from '../../steps/step.js'
import type { ModelPart, Used } from '../model.js'
import { type Group, type GroupedUsage, groupName } from './group.js'

type UsedGroups = Used<PriceModel, GroupedUsage>
type AnyPart = ModelPart<PriceModel>

/** More groups than these are given as one sum. */
const listedGroups = 50

interface Named extends Group {
  readonly name: string
}

/** By name, so that the order of events does not matter. */
function namedGroups({ basis, usage }: UsedGroups): Named[] {
  return [...usage.groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, group]) => ({ ...group, name: groupName(basis.price, key) }))
}

export function explainGroupQuantities(part: AnyPart, steps: Step[], used: UsedGroups): Ratio {
  const groups = namedGroups(used)
  const of = `${used.events} ${used.events === 1 ? 'event' : 'events'}`
  const label = `quantity of ${of} in ${groups.length} ${groups.length === 1 ? 'group' : 'groups'}`
  const parts = listed(steps, groups, quantity, (own, group) => unitsOf(part, own, used, group))
  return sumStep(steps, 'quantity', label, 'group', parts, quantity)
}

export function explainGroups(part: AnyPart, steps: Step[], used: UsedGroups, forPart: Part): Ratio {
  const { basis, model } = used
  const parts = listed(steps, namedGroups(used), money, (own, group) => {
    const units = unitsOf(part, [], used, group)
    if (part.kind === 'usage') return part.explain(own, usedIn(used, group), units, forPart)
    return part.explain(own, model, explainIncluded(own, basis.price.included, forPart, units), forPart)
  })
  return sumStep(steps, 'model', `${model.model} by group`, 'group', parts, money, {
    groups: text(String(used.usage.groups.size)),
  })
}

function unitsOf(part: AnyPart, steps: Step[], used: UsedGroups, group: Named): Ratio {
  if (part.kind === 'usage') return part.explainQuantity(steps, usedIn(used, group))
  const state = group.state as AggregationState
  return explainQuantity(steps, used.basis, { state, level: 0n, events: undefined, cell: group.name })
}

function usedIn({ basis, model }: UsedGroups, { state, events }: Group): Used<PriceModel, unknown> {
  return { basis, model, usage: state, levels: undefined, events }
}

/** The results of the groups that are listed, and the sum of the others as the last. */
function listed(
  steps: Step[],
  groups: readonly Named[],
  as: (exact: Ratio) => StepValue,
  explain: (steps: Step[], group: Named) => Ratio,
): Ratio[] {
  const shown = Math.min(groups.length, listedGroups)
  const parts = groups.slice(0, shown).map(group => {
    const own: Step[] = []
    const result = explain(own, group)
    steps.push(...own.map(step => inGroup(group.name, step)))
    return result
  })
  if (shown === groups.length) return parts
  const others = sumOf(groups.slice(shown).map(group => explain([], group)))
  steps.push({
    what: 'group',
    label: `${groups.length - shown} more groups`,
    formula: 'others',
    values: { others: as(others), groups: text(String(groups.length - shown)) },
    result: as(others),
  })
  return [...parts, others]
}

/** What stands once in a charge stands in each group. */
const kindInGroup: Partial<Record<StepKind, StepKind>> = { quantity: 'cell_quantity', model: 'group' }

function inGroup(name: string, step: Step): Step {
  const label = step.label.includes(name) ? step.label : `${name}: ${step.label}`
  return { ...step, what: kindInGroup[step.what] ?? step.what, label }
}
