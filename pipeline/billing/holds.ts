// What people hold back of billing runs: a customer, or one subscription of it; and what is not activated, which runs leave out
// alike (pipeline/deliver/status-gates.ts) until its status allows it.
// Invariants: a run leaves out what is held when it is requested, whatever is released afterwards; a hold that is placed again
// is the first one; what is released stays on record, and may be held again.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { runKeys, runsBucket } from '../../schemas/billing/billing-run.js'
import { type HeldFromRuns, heldFromRunsSchema } from '../../schemas/billing/held-back.js'
import { type NotBilled, notBilled } from '../../schemas/billing/not-billed.js'
import { stableId } from '../../schemas/identifiers.js'
import { formatInstantMs } from '../../schemas/time.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { keptRuns } from '../broker/kept-runs.js'
import type { NotActivated, StatusGates } from '../deliver/status-gates.js'
import type { AuditTrail } from '../gateway/audit-trail.js'
import type { Caller } from '../gateway/scopes.js'

const who = z.object({ key_id: z.string(), name: z.string() }).nullable()

export const holdSchema = heldFromRunsSchema.extend({
  hold_id: z.string(),
  reason: z.string(),
  held_at: z.string(),
  held_by: who,
  /** Null: it is held. */
  released_at: z.string().nullable(),
  released_by: who,
})

export type BillingHold = z.infer<typeof holdSchema>

export interface BillingHoldsOptions {
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
  readonly nowMs: () => number
  readonly audit: AuditTrail
  readonly gates: Pick<StatusGates, 'notActivated'>
}

export class BillingHolds {
  readonly #options: BillingHoldsOptions

  constructor(options: BillingHoldsOptions) {
    this.#options = options
  }

  /** What is held now, in the order of customers. */
  async list(): Promise<readonly BillingHold[]> {
    const { jsm, runs, gates } = this.#options
    const holds: BillingHold[] = (await gates.notActivated()).map(heldByGate)
    for (const key of await bucketKeys(jsm, runsBucket, runKeys.hold('*'))) {
      const entry = await runs.get(key)
      const hold = entry === null ? undefined : holdSchema.parse(entry.json())
      if (hold?.released_at === null) holds.push(hold)
    }
    const place = (one: BillingHold) => JSON.stringify([one.customer_id, one.subscription_id])
    return holds.sort((a, b) => (place(a) < place(b) ? -1 : 1))
  }

  /** What runs left out and no later run has billed. */
  async notBilled(): Promise<readonly NotBilled[]> {
    return notBilled(await keptRuns(this.#options.jsm, this.#options.runs))
  }

  async place(
    what: HeldFromRuns,
    reason: string,
    caller: Caller,
  ): Promise<{ readonly hold: BillingHold; readonly created: boolean }> {
    const { runs, nowMs, audit } = this.#options
    const holdId = idOf(what)
    for (;;) {
      const entry = await runs.get(runKeys.hold(holdId))
      const before = entry === null ? undefined : holdSchema.parse(entry.json())
      if (before?.released_at === null) return { hold: before, created: false }
      const hold: BillingHold = {
        ...{ hold_id: holdId, ...what, reason },
        ...{
          held_at: formatInstantMs(nowMs()),
          held_by: whoIs(caller),
          released_at: null,
          released_by: null,
        },
      }
      const object = { kind: 'customer', id: what.customer_id }
      await audit.record({ caller, act: 'billing_hold.placed', object, reason, after: hold })
      if (await this.#write(holdId, hold, entry?.revision)) return { hold, created: true }
    }
  }

  /** Undefined: it is not held. */
  async release(what: HeldFromRuns, reason: string, caller: Caller): Promise<BillingHold | undefined> {
    const { runs, nowMs, audit } = this.#options
    const holdId = idOf(what)
    for (;;) {
      const entry = await runs.get(runKeys.hold(holdId))
      const before = entry === null ? undefined : holdSchema.parse(entry.json())
      if (entry === null || before?.released_at !== null) return undefined
      const after = { ...before, released_at: formatInstantMs(nowMs()), released_by: whoIs(caller) }
      const object = { kind: 'customer', id: what.customer_id }
      await audit.record({ caller, act: 'billing_hold.released', object, reason, before, after })
      if (await this.#write(holdId, after, entry.revision)) return after
    }
  }

  /** False when somebody else wrote meanwhile. */
  async #write(holdId: string, hold: BillingHold, revision: number | undefined): Promise<boolean> {
    const { runs } = this.#options
    const key = runKeys.hold(holdId)
    try {
      if (revision === undefined) await runs.create(key, JSON.stringify(hold))
      else await runs.update(key, JSON.stringify(hold), revision)
      return true
    } catch (error) {
      const now = await runs.get(key)
      if (now?.revision === revision) throw error
      return false
    }
  }
}

/** Nobody placed it, and nobody releases it: the status does. */
function heldByGate({ customer_id, subscription_id, reason, since }: NotActivated): BillingHold {
  const what = { customer_id, subscription_id }
  const ends = { released_at: null, released_by: null }
  return { hold_id: `gate_${idOf(what)}`, ...what, reason, held_at: since, held_by: null, ...ends }
}

function idOf({ customer_id, subscription_id }: HeldFromRuns): string {
  return stableId('bh', customer_id, subscription_id ?? '', subscription_id === null ? 0 : 1)
}

function whoIs({ keyId, keyName = '' }: Caller): z.infer<typeof who> {
  return keyId === undefined ? null : { key_id: keyId, name: keyName }
}
