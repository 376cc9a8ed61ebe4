// Which rules hold something back: a pure function of the rules and the facts.
// Invariants: the arithmetic is exact, without a division; a fact that a rule needs and that is not known holds.

import type { HoldingRule, WholeApprovalFacts } from '../../schemas/approvals/approval.js'
import type { ApprovalKind } from '../../schemas/approvals/approval-kind.js'
import { magnitude, parseDecimal, type Scaled, scaledOne } from '../../schemas/money/decimal.js'
import type { NeededFacts, RecordSubject } from '../gateway/approval-gate.js'
import {
  type ApprovalRule,
  type ApprovalSettings,
  type RedFlag,
  redFlags,
  type SpikeTerms,
} from './settings.js'

/** The version of the red flags that ship. */
export const redFlagVersion = 1
/** What a red flag holds when it is set to hold. */
const flaggedKind: ApprovalKind = 'billing_batch'
const mostReasons = 3

/** Every rule that holds it, in the order of the settings, the red flags last; empty: it is free. */
export function rulesThatHold(
  { rules, red_flags: modes }: ApprovalSettings,
  kind: ApprovalKind,
  facts: WholeApprovalFacts,
): readonly HoldingRule[] {
  const holding: HoldingRule[] = []
  for (const one of rules) {
    const { entity_id: entityId, record } = facts
    const chosen = record === null ? undefined : { ...record, entityId, customerId: record.customer_id }
    if (one.entities !== undefined && !one.entities.includes(entityId)) continue
    if (chosen !== undefined && !chooses(one, chosen)) continue
    const reasons = one.holds.includes(kind) ? reasonsOf(one, facts) : []
    const ofCredits = holdsCredits(one, kind) ? creditReasons(one, facts) : []
    const all = [...new Set([...reasons, ...ofCredits])]
    if (all.length > 0) holding.push({ rule: one.rule, version: one.version, detail: inWords(all) })
  }
  for (const flag of redFlags) {
    if (modes[flag] !== 'hold' || kind !== flaggedKind) continue
    const found = facts.flags.filter(one => one.flag === flag).map(one => one.detail)
    if (found.length === 0) continue
    holding.push({ rule: `red_flag.${flag}`, version: redFlagVersion, detail: inWords(found) })
  }
  return holding
}

/** Whether any rule could hold this kind, of a delivery this record. */
export function concernsKind(
  settings: ApprovalSettings,
  kind: ApprovalKind,
  record?: RecordSubject,
): boolean {
  const isFlagged = kind === flaggedKind && holdingFlags(settings).length > 0
  return isFlagged || settings.rules.some(one => couldHold(one, kind, record))
}

function couldHold(rule: ApprovalRule, kind: ApprovalKind, record: RecordSubject | undefined): boolean {
  if (!rule.holds.includes(kind) && !holdsCredits(rule, kind)) return false
  return record === undefined || chooses(rule, record)
}

/** The credits of a batch are held with the batch; what leaves of a batch that was released is another question. */
function holdsCredits({ holds }: ApprovalRule, kind: ApprovalKind): boolean {
  return kind !== 'delivery' && holds.includes('credit')
}

function chooses(rule: ApprovalRule, { connection, kind, entityId, customerId }: RecordSubject): boolean {
  return (
    isOneOf(rule.connections, connection) &&
    isOneOf(rule.records, kind) &&
    isOneOf(rule.entities, entityId) &&
    isOneOf(rule.customers, customerId)
  )
}

function isOneOf(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.includes(name)
}

/** Which facts the rules of this kind look at, beyond its amounts. */
export function factsNeeded(
  settings: ApprovalSettings,
  kind: ApprovalKind,
  record?: RecordSubject,
): NeededFacts {
  const rules = settings.rules.filter(one => couldHold(one, kind, record))
  const spikes = rules.flatMap(({ spike }) => (spike === undefined ? [] : [spike]))
  return {
    periods: Math.max(0, ...spikes.map(({ periods }) => periods)),
    customers: spikes.some(({ of }) => of === 'customer'),
    invoices: rules.some(one => one.reversal_without_invoice),
    charges: rules.some(one => one.reversal_without_charge),
    sources: rules.some(one => one.missing_source),
    flags: kind === flaggedKind ? holdingFlags(settings) : [],
  }
}

/** The red flags that hold. */
export function holdingFlags({ red_flags: modes }: ApprovalSettings): readonly RedFlag[] {
  return redFlags.filter(flag => modes[flag] === 'hold')
}

/** The first reasons, and how many there are beside them. */
function inWords(reasons: readonly string[]): string {
  const more = reasons.length - mostReasons
  const first = reasons.slice(0, mostReasons).join('; ')
  return more > 0 ? `${first}; and ${more} more` : first
}

function reasonsOf(rule: ApprovalRule, facts: WholeApprovalFacts): readonly string[] {
  if (rule.amount !== undefined) return amountReasons(rule.amount, facts.amounts)
  if (rule.spike !== undefined) return spikeReasons(rule.spike, facts)
  if (rule.missing_source) return sourceReasons(facts)
  return rule.reversal_without_charge ? orphanReasons(facts) : reversalReasons(facts)
}

/** What holds for the credits within something, whatever it is. */
function creditReasons(rule: ApprovalRule, facts: WholeApprovalFacts): readonly string[] {
  if (rule.amount !== undefined) return amountReasons(rule.amount, facts.credits)
  return rule.reversal_without_invoice ? reversalReasons(facts) : []
}

function amountReasons(
  { at_least, currency }: NonNullable<ApprovalRule['amount']>,
  amounts: readonly { readonly currency: string; readonly amount: string | null }[],
): readonly string[] {
  const least = scaled(at_least)
  return amounts.flatMap(one => {
    const isOfCurrency = currency === undefined || one.currency === currency || one.currency === '' // of any
    if (!isOfCurrency) return []
    if (one.amount === null) return [`the amount in ${one.currency || 'some currency'} is not known`]
    if (magnitude(scaled(one.amount)) < least) return []
    return [`${one.amount} ${one.currency} is at least ${at_least}`]
  })
}

function spikeReasons(terms: SpikeTerms, facts: WholeApprovalFacts): readonly string[] {
  if (terms.of === 'customer') {
    return facts.customers.flatMap(({ customer_id, currency, amount, previous }) =>
      isSpike(terms, amount, previous) ? [spikeWords(terms, customer_id, currency, amount, previous)] : [],
    )
  }
  return facts.amounts.flatMap(({ currency, amount }) => {
    const previous = facts.previous.find(one => one.currency === currency)?.amounts ?? []
    if (amount === null || !isSpike(terms, amount, previous)) return []
    return [spikeWords(terms, facts.entity_id, currency, amount, previous)]
  })
}

/** amount > times × average of the periods, multiplied out. Without periods before there is nothing to compare with. */
function isSpike({ times, periods, at_least }: SpikeTerms, amount: string, previous: readonly string[]) {
  const before = previous.slice(0, periods)
  const now = scaled(amount)
  if (before.length === 0 || now < scaled(at_least)) return false
  const sum = before.reduce((total, one) => total + scaled(one), 0n)
  return now * BigInt(before.length) * scaledOne > scaled(times) * sum
}

function spikeWords(
  { times, periods }: SpikeTerms,
  what: string,
  currency: string,
  amount: string,
  previous: readonly string[],
): string {
  const before = previous.slice(0, periods)
  return `${amount} ${currency} of ${what || 'no entity'} is more than ${times} times the average of ${before.join(', ')}`
}

function reversalReasons({ credits }: WholeApprovalFacts): readonly string[] {
  return credits.flatMap(credit => creditReason(credit, credit.has_invoice, 'an invoice'))
}

function orphanReasons({ credits }: WholeApprovalFacts): readonly string[] {
  return credits.flatMap(credit => creditReason(credit, credit.has_charge, 'a charge that was billed'))
}

function creditReason(
  { charge_id, customer_id, currency, amount }: WholeApprovalFacts['credits'][number],
  has: boolean | null,
  what: string,
): readonly string[] {
  if (amount === null) return [`whether ${charge_id} (${customer_id}) takes something back is not known`]
  if (has === true) return []
  const why = has === null ? `whether it has ${what} is not known` : `it has ${what.replace(/^an? /, 'no ')}`
  return [`${amount} ${currency} of ${charge_id} (${customer_id}) is taken back, and ${why}`]
}

function sourceReasons({ without_source }: WholeApprovalFacts): readonly string[] {
  if (without_source === null) return ['whether every line has its events is not known']
  return without_source.map(id => `${id} has a quantity and no event`)
}

function scaled(text: string): Scaled {
  const read = parseDecimal(text)
  if (read.kind !== 'ok') throw new Error(`${text} is not a decimal`)
  return read.value
}
