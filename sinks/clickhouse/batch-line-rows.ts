// The rows of `batch_lines`: one for each line of a billing batch.

import { type BillingBatch, lineIdOf } from '../../schemas/billing/billing-batch.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { BatchLineRow } from '../../schemas/tables.js'
import { billingDateOf } from '../batch-line-record.js'

export function rowsOfLines(
  { batchId, billingRunId, entityId, currency, lines }: BillingBatch,
  sealedAtMs: number,
  streamSequence: number,
): BatchLineRow[] {
  const dates = new Map<string, string>() // most lines of a batch bill the same month
  const dateOf = (line: Charge): string => {
    const key = `${line.timing} ${line.fromNs} ${line.untilNs} ${line.timezone}`
    const date = dates.get(key) ?? billingDateOf(line)
    dates.set(key, date)
    return date
  }
  return lines.map(line => ({
    lineId: lineIdOf(batchId, line.chargeId),
    batchId,
    billingRunId,
    entityId,
    currency,
    billingDate: dateOf(line),
    chargeId: line.chargeId,
    customerId: line.customerId,
    billToCustomerId: line.billToCustomerId ?? '',
    parentCustomerId: line.parentCustomerId ?? '',
    correlationId: line.correlationId,
    amount: line.amount,
    amountRounded: line.amountRounded,
    sealedAtMs,
    streamSequence,
  }))
}
