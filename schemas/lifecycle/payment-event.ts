// The outcome of a payment, from the `data` of `weir.payment.*`: it succeeded, failed, was refunded or disputed. Contract section 2.

import type { z } from 'zod'
import type { ValidEvent } from '../event/usage-event.js'
import { present } from '../json/wire-fields.js'
import type { Scaled } from '../money/decimal.js'
import type { Parsed } from '../rejection.js'
import { dataOf } from './event-fields.js'
import { type DisputeStatus, disputeData, paymentData } from './lifecycle-data.js'

export interface PaymentEvent {
  readonly status: 'succeeded' | 'failed' | 'refunded' | 'disputed'
  readonly paymentId: string
  readonly customerId: string
  readonly invoiceId?: string
  readonly currency: string
  readonly amount: Scaled
  readonly reason: string
  /** Both only of a dispute. */
  readonly disputeId?: string
  readonly disputeStatus?: DisputeStatus
}

export function parsePayment(status: PaymentEvent['status'], event: ValidEvent): Parsed<PaymentEvent> {
  if (status !== 'disputed') {
    const parsed = dataOf(paymentData, event)
    return parsed.kind === 'rejected' ? parsed : { kind: 'ok', value: paymentOf(status, parsed.value) }
  }
  const parsed = dataOf(disputeData, event)
  if (parsed.kind === 'rejected') return parsed
  const { dispute_id: disputeId, status: disputeStatus } = parsed.value
  return { kind: 'ok', value: { ...paymentOf(status, parsed.value), disputeId, disputeStatus } }
}

function paymentOf(status: PaymentEvent['status'], data: z.output<typeof paymentData>): PaymentEvent {
  return {
    status,
    paymentId: data.payment_id,
    customerId: data.customer_id,
    currency: data.currency,
    amount: data.amount,
    reason: data.reason ?? '',
    ...present({ invoiceId: data.invoice_id ?? undefined }),
  }
}
