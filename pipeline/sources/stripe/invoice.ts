// An invoice of Stripe: finalized, paid, voided. Each of the three is told once under an id made of the invoice, whichever
// event brings it; its subscription stands under `parent` since 2025-03-31.

import {
  type ForeignObject,
  idOf,
  instantOf,
  listIn,
  objectIn,
  secondsOf,
  textOf,
  wholeText,
} from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import type { Told } from './told.js'

const told = ['invoice.finalized', 'invoice.paid', 'invoice.voided', 'fetched']
const steps = [
  {
    type: 'weir.invoice.finalized',
    key: 'finalized',
    at: 'finalized_at',
    of: ['open', 'paid', 'void', 'uncollectible'],
  },
  { type: 'weir.invoice.paid', key: 'paid', at: 'paid_at', of: ['paid'] },
  { type: 'weir.invoice.voided', key: 'voided', at: 'voided_at', of: ['void'] },
] as const

export function mapInvoice({ object, type, atSeconds }: Told, context: MapContext): MapOutcome {
  if (type === 'invoice.marked_uncollectible')
    return { kind: 'ignored', reason: 'no_event_for_uncollectible' }
  if (!told.includes(type)) return { kind: 'ignored', reason: 'told_by_another_event' }
  const status = textOf(object['status'])
  const facts = factsOf(object, context)
  const transitions = objectIn(object['status_transitions'])
  const reached = steps.filter(step => (step.of as readonly string[]).includes(status))
  const events = reached.map(
    (step): MappedEvent => ({
      ...{ key: step.key, id: textOf(object['id']), type: step.type, subject: facts.customer_id },
      time: instantOf(secondsOf(transitions[step.at]) ?? atSeconds),
      data: facts,
      correlationId: correlationOf(object),
    }),
  )
  return events.length === 0 ? { kind: 'ignored', reason: 'not_final' } : { kind: 'events', events }
}

function factsOf(object: ForeignObject, context: MapContext) {
  const currency = textOf(object['currency']).toUpperCase()
  const total = fromMinorUnits(wholeText(object['total']), currency)
  if (total === undefined)
    context.fault('invalid_value', 'total: it is no amount of its currency.', '/data/object/total')
  if (textOf(object['id']) === '')
    context.fault('missing_value', 'id: the invoice has none.', '/data/object/id')
  const due = secondsOf(object['due_date'])
  const parent = objectIn(objectIn(object['parent'])['subscription_details'])
  const subscription = idOf(parent['subscription']) || idOf(object['subscription'])
  return {
    invoice_id: textOf(object['id']),
    customer_id: context.id('customer', idOf(object['customer']), object['metadata']),
    currency,
    total: total ?? '',
    ...(due === undefined ? {} : { due_at: instantOf(due) }),
    ...(subscription === ''
      ? {}
      : { subscription_id: context.id('subscription', subscription, parent['metadata']) }),
  }
}

/** Of a name in an event. */
const longestId = 256

/**
 * What all of its lines say that came from us: our invoice items carry the correlation id of their charge (sinks/stripe/records.ts).
 * Of lines that differ none is the invoice's. An event brings ten lines at most.
 */
function correlationOf(invoice: ForeignObject): string | undefined {
  const said = listIn(invoice['lines']).map(line => textOf(objectIn(line['metadata'])['weir_correlation']))
  const [one, ...others] = new Set(said.filter(id => id !== '' && id.length <= longestId))
  return others.length === 0 ? one : undefined
}
