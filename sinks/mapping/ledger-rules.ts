// Rules of the account mapping beside those of charges: each names the accounts for what it matches. Rules in order, the first
// that agrees decides. Invariant: there is no default; what no rule matches is refused, by name.

import { asMap, FieldReader, readComparable, readText } from '../../schemas/catalog/catalog-reader.js'
import type { Problems, SourceNode } from '../../schemas/catalog/catalog-source.js'

export interface LedgerRule<A extends string> {
  readonly match: ReadonlyMap<string, string>
  readonly accounts: Readonly<Record<A, string>>
  /** Dimensions of the chart of accounts, on every line of the entry. */
  readonly segments: ReadonlyMap<string, string>
}

/** What a rule may match on, and the accounts that it must name. */
export interface LedgerRuleForm<A extends string> {
  readonly match: readonly string[]
  readonly accounts: readonly A[]
}

export const taxRules: LedgerRuleForm<'tax'> = {
  match: ['tax_code', 'jurisdiction', 'entity_id', 'currency'],
  accounts: ['tax'],
}
export const prepaidRules: LedgerRuleForm<'receivable' | 'contract_liability' | 'breakage'> = {
  match: ['entity_id', 'currency'],
  accounts: ['receivable', 'contract_liability', 'breakage'],
}

export function readLedgerRules<A extends string>(
  parent: FieldReader,
  name: string,
  form: LedgerRuleForm<A>,
  problems: Problems,
): LedgerRule<A>[] {
  const node = parent.field(name)
  const items = node === undefined ? [] : (parent.list(name, node) ?? [])
  return items.map(item => readRule(item, form, problems)).filter(rule => rule !== undefined)
}

export function ledgerRuleFor<A extends string>(
  rules: readonly LedgerRule<A>[],
  facts: Readonly<Record<string, string>>,
): LedgerRule<A> | undefined {
  return rules.find(({ match }) => [...match].every(([field, value]) => facts[field] === value))
}

function readRule<A extends string>(
  node: SourceNode,
  form: LedgerRuleForm<A>,
  problems: Problems,
): LedgerRule<A> | undefined {
  const map = asMap(node, 'A rule', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const match = readTexts(reader.field('match'), 'match', problems)
  for (const field of match.keys()) {
    if (form.match.includes(field)) continue
    const message = `A rule cannot match on ${field}; it can on ${form.match.join(', ')}.`
    reader.fault('match', 'unknown_key', message)
  }
  const given = reader.requiredField('accounts')
  const segments = readTexts(reader.field('segments'), 'segments', problems)
  reader.refuseOthers('a rule')
  const accountsMap = given === undefined ? undefined : asMap(given, 'accounts', problems)
  if (accountsMap === undefined) return undefined
  const account = new FieldReader(accountsMap, problems)
  const accounts = {} as Record<A, string>
  for (const name of form.accounts) accounts[name] = account.requiredText(name) ?? ''
  account.refuseOthers('accounts')
  return { match, accounts, segments }
}

export function readTexts(
  node: SourceNode | undefined,
  what: string,
  problems: Problems,
): Map<string, string> {
  const texts = new Map<string, string>()
  const map = node === undefined ? undefined : asMap(node, what, problems)
  for (const [name, member] of map?.members ?? []) {
    const text =
      what === 'match' ? readComparable(member.value, name, problems) : readText(member.value, name, problems)
    if (text !== undefined) texts.set(name, text)
  }
  return texts
}
