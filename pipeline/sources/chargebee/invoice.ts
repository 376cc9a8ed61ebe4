// An invoice of Chargebee: finalized once it is no longer pending, paid, voided; and a credit note, which is an invoice with a negative
// total. Each is told once under an id made of the object.

import { formatInstantMs } from '../../../schemas/time.js'
import { type ForeignObject, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import { msOf } from './subscription.js'
import type { Told } from './told.js'

export function mapInvoice({ object }: Told, context: MapContext): MapOutcome {
  const status = textOf(object['status'])
  if (status === 'pending') return { kind: 'ignored', reason: 'not_final' }
  const told = factsOf(object, '', context)
  const events = [told('finalized', msOf(object['generated_at']) ?? msOf(object['date']))]
  if (status === 'paid') events.push(told('paid', msOf(object['paid_at']) ?? msOf(object['date'])))
  if (isVoid(object)) events.push(told('voided', msOf(object['voided_at']) ?? msOf(object['date'])))
  return { kind: 'events', events }
}

export function mapCreditNote({ object }: Told, context: MapContext): MapOutcome {
  const told = factsOf(object, '-', context)
  const events = [told('finalized', msOf(object['generated_at']) ?? msOf(object['date']))]
  if (isVoid(object)) events.push(told('voided', msOf(object['voided_at']) ?? msOf(object['date'])))
  return { kind: 'events', events }
}

function isVoid(object: ForeignObject): boolean {
  return textOf(object['status']) === 'voided' || object['deleted'] === true
}

function factsOf(object: ForeignObject, sign: string, context: MapContext) {
  const [id, currency] = [textOf(object['id']), textOf(object['currency_code'])]
  const minor = wholeText(object['total'])
  const total = fromMinorUnits(minor === '0' ? minor : `${sign}${minor}`, currency)
  if (id === '') context.fault('missing_value', 'id: the invoice has none.', '/content/invoice/id')
  if (total === undefined)
    context.fault('invalid_value', 'total: it is no amount of its currency.', '/content/invoice/total')
  const customerId = context.id('customer', textOf(object['customer_id']))
  const subscription = textOf(object['subscription_id'])
  const dueMs = msOf(object['due_date'])
  const data = {
    ...{ invoice_id: id, customer_id: customerId, currency, total: total ?? '' },
    ...(dueMs === undefined ? {} : { due_at: formatInstantMs(dueMs) }),
    ...(subscription === '' ? {} : { subscription_id: context.id('subscription', subscription) }),
  }
  const kind = sign === '' ? 'invoice' : 'credit_note'
  return (key: string, timeMs: number | undefined): MappedEvent => {
    if (timeMs === undefined)
      context.fault('missing_value', 'date: the invoice has none.', '/content/invoice/date')
    return {
      ...{ key, id: `${kind}/${id}`, type: `weir.invoice.${key}`, subject: customerId },
      ...{ time: formatInstantMs(timeMs ?? 0), data },
    }
  }
}
