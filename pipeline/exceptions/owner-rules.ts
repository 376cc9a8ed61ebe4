// Whose an exception is: routing rules as data, the first that fits wins. Those here ship with Weir; rules of the
// configuration stand before them.
// Invariant: every exception has an owner, since the last rule fits all.

import { conditionsOfMatch, type ExceptionMatch } from './exception-filter.js'
import type { QueryParameters } from './query-parameters.js'

export interface OwnerRule {
  /** Empty: it fits every exception. */
  readonly when: ExceptionMatch
  readonly owner: string
}

export const shippedOwners: readonly OwnerRule[] = [
  {
    when: {
      code: [
        'no_subscription',
        'ambiguous_subscription',
        'subscription_suspended',
        'unknown_subscription',
        'unknown_plan',
        'currency_not_in_plan',
        'no_matrix_cell',
        'too_many_groups',
        'customer_mismatch',
        'conflicting_version',
        'conflicting_catalog',
        'invalid_catalog',
      ],
    },
    owner: 'revops',
  },
  { when: { kind: ['parked', 'unmetered'] }, owner: 'revops' },
  {
    when: { kind: ['refused_delivery'], code: ['attempts_exhausted', 'look_up_unanswered'] },
    owner: 'integration',
  },
  { when: { kind: ['refused_delivery'] }, owner: 'finance' },
  { when: { kind: ['waiting_arrival'], code: ['unknown_identity', 'identity_taken'] }, owner: 'revops' },
  { when: { kind: ['customer_status'], code: ['customer_rejected'] }, owner: 'finance' },
  { when: { kind: ['conflict'] }, owner: 'revops' },
  { when: { kind: ['payment'], code: ['payment_exhausted'] }, owner: 'billing' },
  { when: { kind: ['payment', 'tax'] }, owner: 'finance' },
  { when: {}, owner: 'integration' },
]

/** The SQL expression of the owner. */
export function ownerExpression(rules: readonly OwnerRule[], parameters: QueryParameters): string {
  const branches: string[] = []
  let otherwise = `'integration'`
  for (const { when, owner } of rules) {
    const conditions = conditionsOfMatch(when, parameters)
    const value = parameters.add('String', owner)
    if (conditions.length === 0) {
      otherwise = value
      break
    }
    branches.push(conditions.join(' AND '), value)
  }
  return branches.length === 0 ? otherwise : `multiIf(${branches.join(', ')}, ${otherwise})`
}
