// The bucket `weir_identities`: one entry per customer that has ids in other systems, as events told them. What people set
// (mapping-table.ts) goes before it.
// Invariants: of two rows of one customer the one with the later event time counts, and of equal ones the one with the
// greater ledger sequence, in whatever order they are applied; so applying a range again changes nothing.

import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { customerToken } from '../../schemas/identifiers.js'
import type { CustomerIds, ExternalIds } from '../../sinks/customer-ids.js'
import { writeOver } from '../broker/wrong-revision.js'
import { isExternal } from './identity-lookup.js'
import type { MappingTable } from './mapping-table.js'

const cacheMs = 60_000
const cacheMost = 10_000

const entrySchema = z.object({
  customer_id: z.string(),
  crm: z.string().optional(),
  billing: z.string().optional(),
  erp: z.string().optional(),
  event_time_ns: z.string().regex(/^-?\d+$/),
  ledger_sequence: z.int().nonnegative(),
})
type Entry = z.infer<typeof entrySchema>

export interface CustomerIdentity {
  readonly customerId: string
  readonly ids: ExternalIds
  readonly eventTimeNs: bigint
  readonly ledgerSequence: number
}

export class IdentityStore implements CustomerIds {
  readonly #kv: KV
  readonly #table: Pick<MappingTable, 'of'> | undefined
  readonly #nowMs: () => number
  /** Customers with an id; that a customer has none is asked again each time, as it may be about to get one. */
  readonly #cache = new Map<string, { readonly ids: ExternalIds; readonly untilMs: number }>()

  /** Without a table: for whoever only keeps what events told. */
  constructor(kv: KV, table?: Pick<MappingTable, 'of'>, nowMs: () => number = Date.now) {
    this.#kv = kv
    this.#table = table
    this.#nowMs = nowMs
  }

  async of(customerId: string): Promise<ExternalIds> {
    const cached = this.#cache.get(customerId)
    if (cached !== undefined && this.#nowMs() < cached.untilMs) return cached.ids
    const [read, set] = await Promise.all([this.#read(customerId), this.#setOf(customerId)])
    const ids = { ...(read === undefined ? {} : idsOf(read.entry)), ...set }
    this.#cache.delete(customerId)
    if (Object.keys(ids).length > 0) {
      this.#cache.set(customerId, { ids, untilMs: this.#nowMs() + cacheMs })
      const [oldest] = this.#cache.keys()
      if (this.#cache.size > cacheMost && oldest !== undefined) this.#cache.delete(oldest)
    }
    return ids
  }

  async keep(identity: CustomerIdentity): Promise<void> {
    const { customerId, ids, eventTimeNs, ledgerSequence } = identity
    for (;;) {
      const there = await this.#read(customerId)
      if (there === undefined && Object.keys(ids).length === 0) return
      if (there !== undefined && !isLater(identity, there.entry)) return
      const entry: Entry = {
        customer_id: customerId,
        ...ids,
        event_time_ns: String(eventTimeNs),
        ledger_sequence: ledgerSequence,
      }
      const bytes = JSON.stringify(entry)
      if (await writeOver(this.#kv, customerToken(customerId), bytes, there?.revision ?? 0)) return
    }
  }

  /** Of several ids in one system the one that was set last. */
  async #setOf(customerId: string): Promise<ExternalIds> {
    const set = (await this.#table?.of('customer', customerId)) ?? []
    const inOrder = [...set].sort((a, b) => a.revision - b.revision)
    return Object.fromEntries(
      inOrder
        .filter(({ mapping }) => isExternal(mapping.system))
        .map(({ mapping: { system, theirs } }) => [system, theirs]),
    )
  }

  async #read(customerId: string): Promise<{ readonly entry: Entry; readonly revision: number } | undefined> {
    const found = await this.#kv.get(customerToken(customerId))
    if (found === null || found.operation !== 'PUT') return undefined
    return { entry: entrySchema.parse(found.json()), revision: found.revision }
  }
}

function isLater({ eventTimeNs, ledgerSequence }: CustomerIdentity, there: Entry): boolean {
  const thereNs = BigInt(there.event_time_ns)
  return eventTimeNs > thereNs || (eventTimeNs === thereNs && ledgerSequence > there.ledger_sequence)
}

function idsOf({ crm, billing, erp }: Entry): ExternalIds {
  return {
    ...(crm === undefined ? {} : { crm }),
    ...(billing === undefined ? {} : { billing }),
    ...(erp === undefined ? {} : { erp }),
  }
}
