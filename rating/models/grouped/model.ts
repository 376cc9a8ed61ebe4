// `group_by`: a model priced group by group. Each combination of values of the dimensions has its own aggregated quantity, its
// own tiers, packages and allowances; the amount is the sum over the groups, the quantity the sum of theirs.
// Worked example: graduated, up to 10 at 2, then 1; `included` 2. Project a uses 14, b 5: (10 x 2 + 2 x 1) + 3 x 2 = 28.
// Flat amounts are due once for each group that has usage; without usage there is no group and nothing is due.
// Source: Lago, `pricing_group_keys` (a fee for each combination with events, none without events).
// Invariant: the amount follows from the terms and the set of samples alone; what is cached is never part of the state.

import type { PriceModel } from '../../../schemas/catalog/catalog.js'
import { magnitude, scaledOne } from '../../../schemas/money/decimal.js'
import type { UsageSample } from '../../aggregations/sample.js'
import type { ChargeBasis } from '../../periods/charge-basis.js'
import { beyondIncluded } from '../included.js'
import type { Compiled, ModelPart, Owed, UsageModel } from '../model.js'
import { oncePer } from '../once-per.js'
import { explainGroupQuantities, explainGroups } from './explain.js'
import type { Group, GroupedUsage } from './group.js'

export type AnyPart = ModelPart<PriceModel>
type Terms = Compiled<unknown>

/** What each group came to when it was last computed, by these terms; groups that changed since are stale. */
interface Known {
  readonly compiled: Terms
  readonly basis: ChargeBasis
  readonly byGroup: Map<string, Owed>
  readonly stale: Set<string>
  total: bigint
  amount: bigint
}

// Kept apart from the state, which stays plain data. A lost entry only costs time.
const known = new WeakMap<GroupedUsage, Known>()

/** The model of a price with groups, from that of one group. */
export const grouped = oncePer((part: AnyPart): UsageModel<PriceModel, unknown, GroupedUsage> => {
  const { cellOf } = part.kind === 'usage' ? part : {}
  return {
    kind: 'usage',
    keeps: 'a quantity for each group',
    amountScale: part.kind === 'usage' ? part.amountScale : scaledOne,
    ...(cellOf === undefined ? {} : { cellOf }),
    start: () => ({ kind: 'grouped', groups: new Map(), held: 0n }),
    add: (basis, compiled, usage, sample) => addToGroup(part, basis, compiled, { usage, sample }),
    compile: (model, scale, included) => part.compile(model, scale, included),
    owed: (basis, compiled, usage) => owed(part, basis, compiled, usage),
    held: ({ held }) => held,
    bound: model => part.bound(model),
    ...(part.withoutFlatAmounts === undefined ? {} : { withoutFlatAmounts: part.withoutFlatAmounts }),
    explainQuantity: (steps, used) => explainGroupQuantities(part, steps, used),
    explain: (steps, used, _units, forPart) => explainGroups(part, steps, used, forPart),
  }
})

function addToGroup(
  part: AnyPart,
  basis: ChargeBasis,
  compiled: Terms,
  { usage, sample }: { readonly usage: GroupedUsage; readonly sample: UsageSample },
): void {
  const { aggregation } = compiled
  let group = usage.groups.get(sample.group)
  if (group === undefined) {
    const state = (part.kind === 'usage' ? part.start() : aggregation.start()) as Group['state']
    group = { events: 0, state }
    usage.groups.set(sample.group, group)
  }
  group.events += 1
  if (aggregation.held !== undefined) usage.held += magnitude(sample.quantity)
  if (part.kind === 'usage') part.add(basis, compiled, group.state, sample)
  else aggregation.add(group.state as Parameters<typeof aggregation.add>[0], sample, basis.fromNs)
  known.get(usage)?.stale.add(sample.group)
}

function owed(part: AnyPart, basis: ChargeBasis, compiled: Terms, usage: GroupedUsage): Owed {
  let last = known.get(usage)
  if (last?.compiled !== compiled || last.basis !== basis) {
    const stale = new Set(usage.groups.keys())
    last = { compiled, basis, byGroup: new Map(), stale, total: 0n, amount: 0n }
    known.set(usage, last)
  }
  for (const key of last.stale) {
    const before = last.byGroup.get(key)
    const now = groupOwed(part, basis, compiled, usage.groups.get(key)!)
    last.total += now.total - (before?.total ?? 0n)
    last.amount += now.amount - (before?.amount ?? 0n)
    last.byGroup.set(key, now)
  }
  last.stale.clear()
  return { total: last.total, amount: last.amount }
}

function groupOwed(part: AnyPart, basis: ChargeBasis, compiled: Terms, { state }: Group): Owed {
  if (part.kind === 'usage') return part.owed(basis, compiled, state, undefined)
  const { aggregation, factor, included, terms } = compiled
  const total = aggregation.total(state as Parameters<typeof aggregation.total>[0], basis, 0n)
  return { total, amount: part.amountOf(beyondIncluded(total * factor, included), terms) }
}
