// The section `exceptions` of the configuration: rules of one's own for groups and owners, before those that ship.
// Invariant: a rule that could not do what it says is refused when the configuration is read, with its place.

import type { z as Zod } from 'zod'
import { exceptionKinds } from '../../schemas/exception-kinds.js'
import type { SettingsSection } from '../config/setting.js'
import { type GroupRule, groupColumns, shippedRules } from './group-rules.js'

type OneOrMore<T extends string = string> = readonly T[] | undefined

/** What an owner rule may ask of an exception; each key is one value or several. */
export interface OwnerMatch {
  readonly kind?: OneOrMore<(typeof exceptionKinds)[number]>
  readonly code?: OneOrMore
  readonly type?: OneOrMore
  readonly meter?: OneOrMore
  readonly field?: OneOrMore
  readonly customer?: OneOrMore
  readonly receiver?: OneOrMore
  readonly source?: OneOrMore
}

export interface ExceptionsSettings {
  readonly group_rules: readonly GroupRule[]
  readonly owner_rules: readonly { readonly when: OwnerMatch; readonly owner: string }[]
}

export const exceptionsSettings: SettingsSection<ExceptionsSettings> = {
  name: 'exceptions',
  settings: [],
  schema: z =>
    z
      .strictObject({
        group_rules: z.array(groupRule(z)).max(50).superRefine(refuseTaken).default([]),
        owner_rules: z.array(ownerRule(z)).max(200).default([]),
      })
      .prefault({}),
}

function name(z: typeof Zod) {
  return z.string().regex(/^[a-z][a-z0-9_-]{0,39}$/, 'up to 40 of a-z, 0-9, _ and -, the first a letter')
}

function groupRule(z: typeof Zod) {
  return z.strictObject({
    rule: name(z),
    version: z.int().min(1).max(1_000_000).default(1),
    by: z
      .array(z.enum(groupColumns))
      .min(1)
      .refine(columns => new Set(columns).size === columns.length, 'names a column twice'),
  })
}

function ownerRule(z: typeof Zod) {
  const text = z.string().min(1).max(1_024)
  const some = <T extends Zod.ZodType<string>>(one: T) =>
    z.union([one.transform(value => [value]), z.array(one).min(1).max(1_000)]).optional()
  const when = z.strictObject({
    kind: z
      .union(
        [z.enum(exceptionKinds).transform(value => [value]), z.array(z.enum(exceptionKinds)).min(1)],
        `is one or several of ${exceptionKinds.join(', ')}`,
      )
      .optional(),
    code: some(text),
    type: some(text),
    meter: some(text),
    field: z
      .union(
        [text.startsWith('/').transform(value => [value]), z.array(text.startsWith('/')).min(1)],
        'is a JSON pointer into the event, such as /data/tokens',
      )
      .optional(),
    customer: some(text),
    receiver: some(text),
    source: some(text),
  })
  return z.strictObject({
    when: when.refine(
      match => Object.values(match).some(values => values !== undefined),
      'asks nothing, so that it would take every exception from the rules behind it; name a kind, a code or another key',
    ),
    owner: name(z),
  })
}

interface Context {
  addIssue: (issue: { code: 'custom'; path: PropertyKey[]; message: string }) => void
}

/** Refuses two rules of one name, and a shipped rule that says something else under the same version. */
function refuseTaken(rules: readonly GroupRule[], context: Context): void {
  const seen = new Set<string>()
  for (const [index, { rule, version }] of rules.entries()) {
    const shipped = shippedRules.find(one => one.rule === rule)
    if (seen.has(rule)) {
      const message = `the rule ${rule} is there already`
      context.addIssue({ code: 'custom', path: [index, 'rule'], message })
    } else if (shipped !== undefined && version <= shipped.version) {
      const message = `the rule ${rule} ships with version ${shipped.version}; give yours a higher one`
      context.addIssue({ code: 'custom', path: [index, 'version'], message })
    }
    seen.add(rule)
  }
}
