// How exceptions are put into groups: a rule names the columns whose values a group has in common. Rules are data
// with a version; those here ship with Weir, and the configuration adds to them.
// Invariant: a group's key names the rule, its version and the values, so that it can be read, and a key of a rule
// that has changed since is refused instead of meaning other exceptions.

/** Columns that a rule may group by; each is a column of the exceptions (exceptions-sql.ts). */
export const groupColumns = [
  'kind',
  'code',
  'type',
  'meter',
  'field',
  'meter_or_field',
  'receiver',
  'source',
  'customer',
  'owner',
] as const
export type GroupColumn = (typeof groupColumns)[number]

export interface GroupRule {
  readonly rule: string
  /** Raised by whoever changes `by`. */
  readonly version: number
  readonly by: readonly GroupColumn[]
}

export const shippedRules: readonly GroupRule[] = [
  { rule: 'cause', version: 1, by: ['kind', 'code', 'type', 'meter_or_field', 'receiver'] },
  ...(['kind', 'code', 'type', 'meter', 'field', 'receiver', 'source', 'customer', 'owner'] as const).map(
    (column): GroupRule => ({ rule: column, version: 1, by: [column] }),
  ),
]

export const defaultRule = 'cause'

export interface GroupKey {
  readonly rule: GroupRule
  /** In the order of `rule.by`. */
  readonly values: readonly string[]
}

/** `cause@1/dead_letter/invalid_value/llm.request/%2Fdata%2Ftokens/`. */
export function groupKeyText({ rule, values }: GroupKey): string {
  return [`${rule.rule}@${rule.version}`, ...values.map(encodeURIComponent)].join('/')
}

export type ParsedGroupKey =
  | { readonly kind: 'ok'; readonly key: GroupKey }
  | { readonly kind: 'refused'; readonly detail: string }

export function parseGroupKey(text: string, rules: readonly GroupRule[]): ParsedGroupKey {
  const [head = '', ...encoded] = text.split('/')
  const [name, version] = head.split('@')
  const rule = rules.find(one => one.rule === name)
  if (rule === undefined) return refused(`${head} names no group rule; there are ${namesOf(rules)}`)
  if (version !== String(rule.version))
    return refused(`the rule ${rule.rule} has version ${rule.version} now; list the groups again`)
  if (encoded.length !== rule.by.length)
    return refused(`a group of the rule ${rule.rule} has ${rule.by.length} values, not ${encoded.length}`)
  try {
    return { kind: 'ok', key: { rule, values: encoded.map(decodeURIComponent) } }
  } catch {
    return refused('it is not percent-encoded')
  }
}

export function namesOf(rules: readonly GroupRule[]): string {
  return rules.map(({ rule }) => rule).join(', ')
}

function refused(detail: string): ParsedGroupKey {
  return { kind: 'refused', detail }
}
