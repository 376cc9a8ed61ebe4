// The orders for billing runs, read from CONTROL, and when they are due.
//
// Invariant: an order goes to the core only when this partition has processed all events accepted before the
// run was created and holds no customer; orders are carried out in the order of CONTROL, one at a time. An order that was
// carried out in part is due again.

import { z } from 'zod'
import { heldFromRunsSchema } from '../../schemas/billing/held-back.js'
import { parseInstant } from '../../schemas/time.js'
import type { ReadMessage } from '../broker/pull-protocol.js'
import type { BillingRunOrder } from '../core/ports/core-io.js'
import type { Positions } from '../ledger/checkpoint.js'

const sequences = z.array(z.number().nullable())
const orderSchema = z.object({
  billing_run_id: z.string().min(1),
  cutoff: z.string(),
  entity_id: z.string().nullish(),
  customer_id: z.string().nullish(),
  preview: z.boolean().optional(),
  held: z.array(heldFromRunsSchema).optional(),
  after: z.object({ METERING: sequences, LIFECYCLE: sequences }),
})

interface PendingOrder {
  readonly seq: number
  /** Undefined when the message cannot be read; it is skipped when its turn comes. */
  readonly order:
    | (BillingRunOrder & { readonly after: Readonly<Record<'METERING' | 'LIFECYCLE', number>> })
    | undefined
}

export interface DueOrders {
  /** None when the messages up to `seq` cannot be read. */
  readonly orders: readonly BillingRunOrder[]
  /** Position in CONTROL once they are carried out. */
  readonly seq: number
}

export class BillingOrders {
  readonly #partition: number
  readonly #pending: PendingOrder[] = []
  readonly #onUnreadable: (detail: string) => void

  constructor(partition: number, onUnreadable: (detail: string) => void) {
    this.#partition = partition
    this.#onUnreadable = onUnreadable
  }

  get count(): number {
    return this.#pending.length
  }

  add(message: ReadMessage): void {
    const order = parseOrder(message.bytes, this.#partition)
    if (typeof order === 'string') this.#onUnreadable(`control message ${message.seq}: ${order}`)
    this.#pending.push({ seq: message.seq, order: typeof order === 'string' ? undefined : order })
  }

  /** The order that is due; undefined when none is. */
  due(positions: Positions, holdsCustomers: boolean): DueOrders | undefined {
    const [head] = this.#pending
    if (holdsCustomers || head === undefined) return undefined
    if (head.order === undefined) return { orders: [], seq: head.seq }
    const { after, ...order } = head.order
    if (positions.METERING.seq < after.METERING || positions.LIFECYCLE.seq < after.LIFECYCLE) return undefined
    return { orders: [order], seq: head.seq }
  }

  /** All of the order at this position is carried out. */
  carriedOut(seq: number): void {
    if (this.#pending[0]?.seq === seq) this.#pending.shift()
  }
}

function parseOrder(bytes: Uint8Array, partition: number): PendingOrder['order'] | string {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (error) {
    return `not JSON: ${error instanceof Error ? error.message : String(error)}`
  }
  const parsed = orderSchema.safeParse(value)
  if (!parsed.success) return z.prettifyError(parsed.error)
  const { billing_run_id, cutoff, entity_id, customer_id, preview, held, after } = parsed.data
  const cutoffNs = parseInstant(cutoff)
  if (cutoffNs === undefined) return `the cutoff ${cutoff} is no instant`
  return {
    billingRunId: billing_run_id,
    cutoffNs,
    ...(entity_id == null ? {} : { entityId: entity_id }),
    ...(customer_id == null ? {} : { customerId: customer_id }),
    ...(preview === undefined ? {} : { preview }),
    ...(held === undefined || held.length === 0 ? {} : { held }),
    after: { METERING: after.METERING[partition] ?? 0, LIFECYCLE: after.LIFECYCLE[partition] ?? 0 },
  }
}
