// A gate of approvals without rules: nothing is held.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { ApprovalGate } from '../../gateway/approval-gate.js'
import type { HoldOptions } from '../held-batches.js'

const withoutRules: ApprovalGate = {
  ask: async () => ({ kind: 'free' }),
  answerOf: async () => undefined,
  known: () => undefined,
  waiting: () => new Map(),
  onDecision: () => () => {},
  concerns: () => false,
  needs: () => ({ periods: 0, customers: false, invoices: false, charges: false, sources: false, flags: [] }),
}

/** Of the options of a billing sink those that this decides. */
export function noHold(
  jsm: JetStreamManager,
  runs: KV,
): { readonly jsm: JetStreamManager; readonly runs: KV; readonly hold: HoldOptions } {
  const facts = { of: async () => ({}), evidenceOf: () => ({}) }
  return { jsm, runs, hold: { jsm, runs, approvals: withoutRules, facts } }
}
