// Every change of what people have set: read, named in the audit trail, written over the revision that was read, and made to
// count in this process before the answer.
// Invariant: a change is on record before it takes effect; one that changes nothing is neither recorded nor written.

import type { KV } from '@nats-io/kv'
import { isWrongRevision } from '../broker/wrong-revision.js'
import type { FlowGate } from '../deliver/flow-gate.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Caller } from '../gateway/scopes.js'
import { type FlowState, readState, type Stamp, untouchedState } from './flow-state.js'
import { stateKey } from './gate.js'

export interface FlowParts {
  /** The bucket `weir_flow`. */
  readonly kv: KV
  readonly audit: AuditTrail
  readonly flow: FlowGate
  readonly nowMs: () => number
}

export interface Change {
  readonly caller: Caller
  readonly act: string
  readonly object: { readonly kind: string; readonly id: string }
  readonly reason: string
  /** The state after the change; the same object: nothing is changed. Throws a `Problem` to refuse. */
  edit(before: FlowState, stamp: Stamp): FlowState
  /** The part of the state that the change is about, for the audit trail. */
  part(state: FlowState): unknown
}

export async function readFlow(kv: KV): Promise<{ readonly state: FlowState; readonly revision: number }> {
  const entry = await kv.get(stateKey)
  if (entry === null) return { state: untouchedState, revision: 0 }
  if (entry.operation !== 'PUT') return { state: untouchedState, revision: entry.revision }
  return { state: readState(entry.value), revision: entry.revision }
}

export async function changeFlow(parts: FlowParts, change: Change): Promise<FlowState> {
  const { caller, act, object, reason } = change
  const stamp = { reason, by: nameOf(caller), at: secondOf(parts.nowMs()) }
  for (;;) {
    const { state: before, revision } = await readFlow(parts.kv)
    const after = change.edit(before, stamp)
    if (after === before) return before
    await parts.audit.record({
      caller,
      act,
      object,
      reason,
      before: change.part(before) ?? null,
      after: change.part(after) ?? null,
    })
    try {
      await parts.kv.put(stateKey, JSON.stringify(after), { previousSeq: revision })
    } catch (error) {
      if (isWrongRevision(error)) continue
      throw error
    }
    await parts.flow.refresh()
    return after
  }
}

export function nameOf({ keyId, keyName }: Caller): string {
  if (keyId === undefined) return 'a caller without a key'
  return keyName === undefined ? keyId : `${keyName} (${keyId})`
}

export function secondOf(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z')
}
