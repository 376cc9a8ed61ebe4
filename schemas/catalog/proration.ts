// Proration: how a part of a service period is counted, and whether it is, for what becomes more and for what becomes less.
// Invariants: equal rules are equal texts, however they were written; a written rule is read back equal. Both directions count in
// one unit, or the parts of a period would not add up to the whole.

import { z } from 'zod'
import { FieldReader } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'

export const prorationRules = ['none', 'second', 'day'] as const
export type ProrationRule = (typeof prorationRules)[number]

/** One rule, or that of an increase and that of a decrease: `second/none`. */
export type Proration = ProrationRule | `${ProrationRule}/${ProrationRule}`

export function increaseRule(proration: Proration): ProrationRule {
  return proration.split('/')[0] as ProrationRule
}

export function decreaseRule(proration: Proration): ProrationRule {
  return proration.split('/').at(-1) as ProrationRule
}

/** What parts are counted in, where any are; `none` where none ever is. */
export function prorationUnit(proration: Proration): ProrationRule {
  const increase = increaseRule(proration)
  return increase === 'none' ? decreaseRule(proration) : increase
}

/** A rule, or a mapping with one for each direction. */
export function readProration(reader: FieldReader, problems: Problems): Proration | undefined {
  const node = reader.field('proration')
  if (node?.kind !== 'map') return reader.choice('proration', prorationRules)
  const parts = new FieldReader(node, problems)
  const increase = parts.requiredChoice('on_increase', prorationRules)
  const decrease = parts.requiredChoice('on_decrease', prorationRules)
  parts.refuseOthers('a proration')
  if (increase === undefined || decrease === undefined) return undefined
  if (increase === decrease) return increase
  if (increase === 'none' || decrease === 'none') return `${increase}/${decrease}`
  const message =
    'Both directions count in one unit, second or day: else the parts of a period would not add up to it.'
  return parts.fault('on_decrease', 'invalid_value', message)
}

export function prorationToWire(proration: Proration): unknown {
  const [increase, decrease] = [increaseRule(proration), decreaseRule(proration)]
  return increase === decrease ? increase : { on_increase: increase, on_decrease: decrease }
}

export const prorationField = z.union([
  z.enum(prorationRules),
  z.strictObject({ on_increase: z.enum(prorationRules), on_decrease: z.enum(prorationRules) }).meta({
    description: 'By what a whole period would cost. One of the two may be none; both count in one unit.',
  }),
])

/** Of a usage price, which has no direction. */
export const plainProrationField = z.enum(prorationRules)
