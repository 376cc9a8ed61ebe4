// Folds the words of vendors into the few statuses that rules speak of. The words are data; the configuration adds to them.
// Invariant: a word that nobody knows is `unknown`, never the nearest one.

import type { Gate } from '../../schemas/lifecycle/gates.js'

export const foldedStatuses = [
  'pending',
  'action_required',
  'in_review',
  'approved',
  'approved_with_conditions',
  'rejected',
  'expired',
] as const
export type FoldedStatus = (typeof foldedStatuses)[number]

/** `no_answer`: the check itself could not be made, which says nothing of the customer. */
export type Folded = FoldedStatus | 'unknown' | 'no_answer'

/** What a configuration may fold a word to. */
export const foldTargets = [...foldedStatuses, 'no_answer'] as const

export type Words = Readonly<Partial<Record<Gate, Readonly<Record<string, (typeof foldTargets)[number]>>>>>

/** Words of every gate, written as `plain` writes them. Seen at dLocal, Wise, Due, TransFi, Didit and Cielo. */
const ofAll: Readonly<Record<(typeof foldTargets)[number], readonly string[]>> = {
  pending: [
    ...['pending', 'not_started', 'creating', 'created', 'new', 'processing', 'in_progress', 'submitted'],
    ...['100', '101', '102', '104'], // dLocal
  ],
  action_required: [
    ...['action_required', 'waiting_customer_input', 'resubmission_required', 'requires_action'],
    ...['kyc_edd_pending', 'edd_pending', 'awaiting_user'],
  ],
  in_review: ['in_review', 'manual_review', 'kyc_manual_review', 'review', 'under_review'],
  approved: ['approved', 'passed', 'kyc_success', 'success', 'verified', 'clear'],
  approved_with_conditions: [
    ...['approved_with_conditions', 'passed_with_requirements', 'approved_with_restriction'],
    ...['approvedwithrestriction', 'pre_approved'],
  ],
  rejected: ['rejected', 'declined', 'denied', 'failed', 'kyc_rejected', 'kyc_blocked', 'blocked'],
  expired: ['expired', 'kyc_expired', 'abandoned'],
  no_answer: [],
}

/** Of VIES: what is no answer is waited for, and never means invalid. */
const ofVat: Readonly<Record<string, (typeof foldTargets)[number]>> = {
  valid: 'approved',
  invalid: 'rejected',
  invalid_input: 'action_required',
  invalid_requester_info: 'no_answer',
  global_max_concurrent_req: 'no_answer',
  ms_max_concurrent_req: 'no_answer',
  global_max_concurrent_req_time: 'no_answer',
  ms_max_concurrent_req_time: 'no_answer',
  service_unavailable: 'no_answer',
  ms_unavailable: 'no_answer',
  server_busy: 'no_answer',
  timeout: 'no_answer',
  unavailable: 'no_answer',
}

const shipped: ReadonlyMap<string, (typeof foldTargets)[number]> = new Map(
  foldTargets.flatMap(target => ofAll[target].map(word => [word, target] as const)),
)

/** In lower case, with `_` for everything between letters and digits. */
export function plain(word: string): string {
  return word
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '')
}

export function fold(gate: Gate, word: string, words: Words): Folded {
  const at = plain(word)
  const own = words[gate] ?? {}
  if (Object.hasOwn(own, at)) return own[at]!
  if (gate === 'vat' && Object.hasOwn(ofVat, at)) return ofVat[at]!
  return shipped.get(at) ?? 'unknown'
}

/** Every word of a gate that folds to something. */
export function knownWords(gate: Gate, words: Words): readonly string[] {
  return [...shipped.keys(), ...(gate === 'vat' ? Object.keys(ofVat) : []), ...Object.keys(words[gate] ?? {})]
}
