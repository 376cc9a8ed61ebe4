// Keeps what is held back in the bucket `weir_approvals`, and decides it: the implementation of the port
// `pipeline/gateway/approval-gate.ts`.
// Invariants:
// 1. The id of an approval is computed from kind and object, and it is created once: the same thing asked again, also after
//    a crash and by another process, has the same approval.
// 2. A decision is one fenced write behind the revision that was read: of two at the same moment one counts.
// 3. Who asked for the thing never approves it, also by another key of theirs (own-key.ts); and without a key nobody can be
//    told from anybody, so nobody approves.
// 4. A decision is on record before it takes effect.
// 5. Once `start` has resolved, what is known in memory is all that was there then, and whatever the watch brought since:
//    who asks about every single delivery need not ask the broker.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import type { Logger } from 'pino'
import {
  type Approval,
  approvalFactsSchema,
  approvalSchema,
  type HoldingRule,
  type WholeApprovalFacts,
} from '../../schemas/approvals/approval.js'
import type { ApprovalKind } from '../../schemas/approvals/approval-kind.js'
import { stableId } from '../../schemas/identifiers.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { isWrongRevision } from '../broker/wrong-revision.js'
import { readKey } from '../gateway/api-keys.js'
import type {
  ApprovalAnswer,
  ApprovalDecision,
  ApprovalGate,
  ApprovalRequest,
  NeededFacts,
  RecordSubject,
} from '../gateway/approval-gate.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Caller } from '../gateway/scopes.js'
import { isOwnKey } from './own-key.js'
import { concernsKind, factsNeeded, rulesThatHold } from './rules.js'
import type { ApprovalSettings } from './settings.js'

export const approvalsBucket = 'weir_approvals'

export interface ApprovalDeskOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_approvals`. */
  readonly kv: KV
  /** The bucket of API keys. */
  readonly keys: KV
  readonly settings: ApprovalSettings
  readonly audit: AuditTrail
  readonly log: Logger
  readonly nowMs?: () => number
}

export type Decided =
  | { readonly kind: 'ok'; readonly approval: Approval }
  | { readonly kind: 'not_found' }
  /** Decided before, the other way or by somebody else. */
  | { readonly kind: 'decided'; readonly approval: Approval }
  | { readonly kind: 'needs_keys' }
  | { readonly kind: 'own_request' }

const rewatchMs = 1_000

export class ApprovalDesk implements ApprovalGate {
  readonly #options: ApprovalDeskOptions
  readonly #listeners = new Set<(decision: ApprovalDecision) => void>()
  readonly #known = new Map<string, { readonly kind: ApprovalKind; readonly answer: ApprovalAnswer }>()
  #stopWatch: () => void = () => {}
  #isClosed = false

  constructor(options: ApprovalDeskOptions) {
    this.#options = options
  }

  /** Watches until closed; resolves once all that is there is known. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      void this.#watch(resolve).catch(reject)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#stopWatch()
  }

  concerns(kind: ApprovalKind, record?: RecordSubject): boolean {
    return concernsKind(this.#options.settings, kind, record)
  }

  needs(kind: ApprovalKind, record?: RecordSubject): NeededFacts {
    return factsNeeded(this.#options.settings, kind, record)
  }

  known(kind: ApprovalKind, id: string): ApprovalAnswer | undefined {
    return this.#known.size === 0 ? undefined : this.#known.get(approvalIdOf(kind, id))?.answer
  }

  waiting(): ReadonlyMap<ApprovalKind, number> {
    const counts = new Map<ApprovalKind, number>()
    for (const { kind, answer } of this.#known.values())
      if (answer.kind === 'held') counts.set(kind, (counts.get(kind) ?? 0) + 1)
    return counts
  }

  async answerOf(kind: ApprovalKind, id: string): Promise<ApprovalAnswer | undefined> {
    const found = await this.get(approvalIdOf(kind, id))
    return found === undefined ? undefined : answerFrom(found)
  }

  async ask(request: ApprovalRequest): Promise<ApprovalAnswer> {
    const { kv, settings, audit } = this.#options
    const { kind, id } = request
    const before = await this.answerOf(kind, id)
    if (before !== undefined) return before
    const facts = approvalFactsSchema.parse(request.facts)
    const rules = rulesThatHold(settings, kind, facts)
    if (rules.length === 0) return { kind: 'free' }
    const approval = this.#heldNow(request, facts, rules)
    const caller =
      request.requestedBy === 'process' ? 'process' : { ...request.requestedBy, scopes: noScopes }
    const after = { state: 'waiting', kind, object_id: id, rules }
    await audit.record({ caller, act: 'approval.requested', object: objectOf(approval.approval_id), after })
    try {
      await kv.create(approval.approval_id, JSON.stringify(approval)) // invariant 1
      if (!this.#known.has(approval.approval_id)) this.#know(approval) // the watch may have brought its decision
      return { kind: 'held', approvalId: approval.approval_id }
    } catch (error) {
      const theirs = await this.answerOf(kind, id)
      if (theirs === undefined) throw error
      return theirs
    }
  }

  onDecision(listener: (decision: ApprovalDecision) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async get(approvalId: string): Promise<Approval | undefined> {
    return (await this.#read(approvalId))?.approval
  }

  /** All of them, the newest first. */
  async list(): Promise<readonly Approval[]> {
    const found: Approval[] = []
    for (const approvalId of await bucketKeys(this.#options.jsm, approvalsBucket, '*')) {
      const approval = await this.get(approvalId)
      if (approval !== undefined) found.push(approval)
    }
    return found.sort((a, b) => (a.requested_at < b.requested_at ? 1 : -1))
  }

  async decide(
    approvalId: string,
    state: 'approved' | 'rejected',
    caller: Caller,
    reason: string | undefined,
  ): Promise<Decided> {
    const { kv, audit, nowMs = Date.now } = this.#options
    const read = await this.#read(approvalId)
    if (read === undefined) return { kind: 'not_found' }
    const { approval, revision } = read
    if (caller.keyId === undefined) return { kind: 'needs_keys' } // invariant 3
    if (approval.state !== 'waiting') {
      const isSame = approval.state === state && approval.decided_by?.key_id === caller.keyId
      return { kind: isSame ? 'ok' : 'decided', approval }
    }
    if (state === 'approved' && (await this.#isOwn(approval, caller.keyId))) return { kind: 'own_request' }
    const decided: Approval = {
      ...approval,
      state,
      decided_by: { key_id: caller.keyId, name: caller.keyName ?? '' },
      decided_at: new Date(nowMs()).toISOString(),
      reason: reason ?? null,
    }
    const { kind, object_id, rules } = approval
    const [before, after] = [{ state: 'waiting' }, { state, kind, object_id, rules }]
    const act = state === 'approved' ? 'approval.approved' : 'approval.rejected'
    await audit.record({ caller, act, object: objectOf(approvalId), reason, before, after }) // invariant 4
    try {
      await kv.update(approvalId, JSON.stringify(decided), revision) // invariant 2
      return { kind: 'ok', approval: decided }
    } catch (error) {
      if (!isWrongRevision(error)) throw error
      return this.decide(approvalId, state, caller, reason)
    }
  }

  async #isOwn({ requested_by, requested_at }: Approval, keyId: string): Promise<boolean> {
    if (requested_by === null) return false
    const asked = { keyId: requested_by.key_id, at: requested_at }
    return isOwnKey(asked, keyId, async id => (await readKey(this.#options.keys, id))?.record)
  }

  #heldNow(request: ApprovalRequest, facts: WholeApprovalFacts, rules: readonly HoldingRule[]): Approval {
    const { kind, id, evidence, requestedBy } = request
    const by = requestedBy === 'process' || requestedBy.keyId === undefined ? null : requestedBy
    return {
      approval_id: approvalIdOf(kind, id),
      kind,
      object_id: id,
      state: 'waiting',
      rules: [...rules],
      facts,
      evidence: { ...evidence },
      requested_by: by === null ? null : { key_id: by.keyId ?? '', name: by.keyName ?? '' },
      requested_at: new Date((this.#options.nowMs ?? Date.now)()).toISOString(),
      decided_by: null,
      decided_at: null,
      reason: null,
    }
  }

  async #read(
    approvalId: string,
  ): Promise<{ readonly approval: Approval; readonly revision: number } | undefined> {
    if (!/^ap_[0-9a-f]+$/.test(approvalId)) return undefined
    const entry = await this.#options.kv.get(approvalId)
    if (entry === null || entry.operation !== 'PUT') return undefined
    return { approval: approvalSchema.parse(entry.json()), revision: entry.revision }
  }

  /** An error before the first reading is thrown. */
  async #watch(onReady: () => void): Promise<void> {
    const { jsm, kv, log } = this.#options
    let isReady = false
    while (!this.#isClosed) {
      try {
        const changes = await kv.watch()
        this.#stopWatch = () => changes.stop()
        // Whatever is there now, the watch brings too.
        const there = (await jsm.streams.info(`KV_${approvalsBucket}`)).state.messages
        const seen = new Set<string>()
        const become = (): void => {
          if (isReady || seen.size < there) return
          isReady = true
          onReady()
        }
        become()
        for await (const entry of changes) {
          const parsed = approvalSchema.safeParse(entry.operation === 'PUT' ? entry.json() : undefined)
          if (parsed.success) {
            this.#know(parsed.data)
            this.#tell(parsed.data)
          }
          seen.add(entry.key)
          become()
        }
      } catch (error) {
        if (!isReady) throw error
        log.warn({ err: error }, 'the watch on the approvals was interrupted')
      }
      if (!this.#isClosed) await sleep(rewatchMs, undefined, { ref: false })
    }
  }

  #know(approval: Approval): void {
    this.#known.set(approval.approval_id, { kind: approval.kind, answer: answerFrom(approval) })
  }

  #tell({ approval_id: approvalId, kind, object_id: id, state }: Approval): void {
    if (state === 'waiting') return
    for (const listener of this.#listeners) listener({ approvalId, kind, id, state })
  }
}

const noScopes: Caller['scopes'] = new Set()

export function approvalIdOf(kind: ApprovalKind, id: string): string {
  return stableId('ap', kind, id)
}

function objectOf(approvalId: string) {
  return { kind: 'approval', id: approvalId }
}

function answerFrom({ approval_id: approvalId, state, reason }: Approval): ApprovalAnswer {
  switch (state) {
    case 'waiting':
      return { kind: 'held', approvalId }
    case 'approved':
      return { kind: 'free' }
    case 'rejected':
      return { kind: 'rejected', approvalId, reason: reason ?? '' }
    default:
      return state satisfies never
  }
}
