// The bucket `weir_gates`: one entry per customer with what was told of its checks.
// Invariant: entries are merged, never replaced, on top of the revision that was read; so applying a range again, in whatever
// order, changes nothing.

import type { KV } from '@nats-io/kv'
import { customerToken } from '../../schemas/identifiers.js'
import { writeOver } from '../broker/wrong-revision.js'
import { type CustomerStatuses, customerStatusesSchema, mergedStatuses, type ToldStatus } from './statuses.js'

export const gatesBucket = 'weir_gates'
export const everyStatusKey = 'status.*'

export function statusKey(token: string): string {
  return `status.${token}`
}

export class StatusStore {
  readonly #kv: KV

  constructor(kv: KV) {
    this.#kv = kv
  }

  async keep(customerId: string, more: readonly ToldStatus[]): Promise<void> {
    const key = statusKey(customerToken(customerId))
    for (;;) {
      const entry = await this.#kv.get(key)
      const isThere = entry !== null && entry.operation === 'PUT'
      const before = isThere ? customerStatusesSchema.parse(entry.json()).statuses : []
      const statuses = mergedStatuses(before, more)
      if (JSON.stringify(statuses) === JSON.stringify(before)) return
      const kept: CustomerStatuses = { customer_id: customerId, statuses: [...statuses] }
      if (await writeOver(this.#kv, key, JSON.stringify(kept), entry?.revision ?? 0)) return
    }
  }
}
