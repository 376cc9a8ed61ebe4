// The key of the group that an exception is in, by the rule of causes: the same that the list of groups shows.

import { groupValues } from '../exception-groups.js'
import { defaultRule, type GroupRule, groupKeyText, shippedRules } from '../group-rules.js'
import type { Exception } from '../read-exceptions.js'

/** Groups of a preview and of a dry run are by cause. */
export const byCause = causeRule()

export function groupOf(exception: Exception): string {
  return groupKeyText({ rule: byCause, values: groupValues(exception, byCause) })
}

/** In the order of the first value of each key. */
export function grouped<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

function causeRule(): GroupRule {
  const rule = shippedRules.find(one => one.rule === defaultRule)
  if (rule === undefined) throw new Error('the rule of causes does not ship')
  return rule
}
