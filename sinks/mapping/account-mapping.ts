// The account mapping: which accounts a charge is posted to. Rules in order, the first that matches decides.
// Invariant: there is no default account. A charge that no rule matches is refused, by name.

import type { ChargeWire } from '../../schemas/billing/charge.js'
import { asMap, FieldReader } from '../../schemas/catalog/catalog-reader.js'
import {
  type CatalogProblem,
  type MapNode,
  Problems,
  readSourceText,
  type SourceNode,
} from '../../schemas/catalog/catalog-source.js'
import { type LedgerRule, prepaidRules, readLedgerRules, readTexts, taxRules } from './ledger-rules.js'

const matchFields = ['entity_id', 'plan', 'price', 'meter', 'kind', 'timing', 'currency'] as const
type MatchField = (typeof matchFields)[number]

export interface AccountRule {
  readonly match: ReadonlyMap<MatchField, string>
  readonly receivable: string
  readonly revenue: string
  /** Needed for charges in advance. */
  readonly deferredRevenue?: string
  readonly performanceObligation: string
  /** Dimensions of the chart of accounts, such as a cost centre; on every line of the entry. */
  readonly segments: ReadonlyMap<string, string>
}

export interface AccountMapping {
  readonly rules: readonly AccountRule[]
  /** Where goes what a batch's exact amounts and its rounded ones differ by; absent: it is told and not posted. */
  readonly rounding?: { readonly account: string; readonly revenue: string }
  /** Where tax goes that a source gave with a charge. */
  readonly tax: readonly LedgerRule<'tax'>[]
  /** The accounts of credits that are paid before they are used. */
  readonly prepaid: readonly LedgerRule<'receivable' | 'contract_liability' | 'breakage'>[]
}

export const noMapping: AccountMapping = { rules: [], tax: [], prepaid: [] }

export type ParsedMapping =
  | { readonly kind: 'ok'; readonly mapping: AccountMapping }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

export function parseAccountMapping(text: string, fileName: string): ParsedMapping {
  const problems = new Problems(fileName)
  const root = readSourceText(text, problems)
  const map = root === undefined ? undefined : asMap(root, 'An account mapping', problems)
  const mapping = map === undefined ? noMapping : readMapping(map, problems)
  if (problems.count > 0) return { kind: 'invalid', problems: problems.inOrder() }
  return { kind: 'ok', mapping }
}

/** The rule for posting a charge; undefined if none matches, and then the charge must not be posted. */
export function ruleFor(mapping: AccountMapping, charge: ChargeWire): AccountRule | undefined {
  return mapping.rules.find(
    rule =>
      [...rule.match].every(([field, value]) => String(charge[field] ?? '') === value) &&
      (charge.timing !== 'in_advance' || rule.deferredRevenue !== undefined),
  )
}

function readMapping(map: MapNode, problems: Problems): AccountMapping {
  const reader = new FieldReader(map, problems)
  const items = reader.list('rules', reader.requiredField('rules')) ?? []
  const rounding = readRounding(reader.field('rounding'), problems)
  const tax = readLedgerRules(reader, 'tax', taxRules, problems)
  const prepaid = readLedgerRules(reader, 'prepaid', prepaidRules, problems)
  reader.refuseOthers('an account mapping')
  const rules = items.map(item => readRule(item, problems)).filter(rule => rule !== undefined)
  return { rules, tax, prepaid, ...(rounding === undefined ? {} : { rounding }) }
}

function readRounding(node: SourceNode | undefined, problems: Problems): AccountMapping['rounding'] {
  const map = node === undefined ? undefined : asMap(node, 'rounding', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const account = reader.requiredText('account')
  const revenue = reader.requiredText('revenue')
  reader.refuseOthers('rounding')
  return account === undefined || revenue === undefined ? undefined : { account, revenue }
}

function readRule(node: SourceNode, problems: Problems): AccountRule | undefined {
  const map = asMap(node, 'A rule', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const match = readTexts(reader.field('match'), 'match', problems)
  for (const field of match.keys()) {
    if ((matchFields as readonly string[]).includes(field)) continue
    reader.fault(
      'match',
      'unknown_key',
      `A rule cannot match on ${field}; it can on ${matchFields.join(', ')}.`,
    )
  }
  const accounts = reader.requiredField('accounts')
  const performanceObligation = reader.requiredText('performance_obligation')
  const segments = readTexts(reader.field('segments'), 'segments', problems)
  reader.refuseOthers('a rule')
  const accountsMap = accounts === undefined ? undefined : asMap(accounts, 'accounts', problems)
  if (accountsMap === undefined) return undefined
  const account = new FieldReader(accountsMap, problems)
  const receivable = account.requiredText('receivable')
  const revenue = account.requiredText('revenue')
  const deferredRevenue = account.text('deferred_revenue')
  account.refuseOthers('accounts')
  if (receivable === undefined || revenue === undefined || performanceObligation === undefined)
    return undefined
  return {
    match: match as ReadonlyMap<MatchField, string>,
    receivable,
    revenue,
    ...(deferredRevenue === undefined ? {} : { deferredRevenue }),
    performanceObligation,
    segments,
  }
}
