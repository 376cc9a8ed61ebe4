// An invoice of Recurly, charges and credits (whose total is negative): finalized when it is made, paid, voided. Each is told once
// under an id made of its number.

import { formatInstantMs } from '../../../schemas/time.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import type { InvoiceFacts } from './facts.js'

export function mapInvoice(facts: InvoiceFacts, context: MapContext): MapOutcome {
  const { number, state, total, createdMs, closedMs, dueMs, subscription } = facts
  if (number === '') context.fault('missing_value', 'number: the invoice has none.', '/number')
  if (total === undefined) context.fault('invalid_value', 'total: it is no amount of its currency.', '/total')
  if (createdMs === undefined)
    context.fault('missing_value', 'created_at: the invoice has none.', '/created_at')
  const customerId = context.id('customer', facts.account)
  const data = {
    ...{ invoice_id: number, customer_id: customerId, currency: facts.currency, total: total ?? '' },
    ...(dueMs === undefined ? {} : { due_at: formatInstantMs(dueMs) }),
    ...(subscription === '' ? {} : { subscription_id: context.id('subscription', subscription) }),
  }
  const event = (key: string, timeMs: number): MappedEvent => ({
    ...{ key, id: `invoice/${number}`, type: `weir.invoice.${key}`, subject: customerId },
    ...{ time: formatInstantMs(timeMs), data },
  })
  const madeMs = createdMs ?? 0
  const events = [event('finalized', madeMs)]
  if (/^(?:paid|closed|collected)$/.test(state) && !(total ?? '').startsWith('-'))
    events.push(event('paid', closedMs ?? madeMs))
  if (/^(?:voided|void)$/.test(state)) events.push(event('voided', closedMs ?? madeMs))
  return { kind: 'events', events }
}
