// A dispute of Stripe: opened once, and won or lost once it is closed, each told once under an id made of the dispute. It names no
// customer: that stands on its charge, with which it is read.
// An inquiry (`warning_…`) moves no money and is told when it becomes a dispute. Stripe does not say when a dispute was decided: the
// event does, or when it was read, and that stands in the id.

import { idOf, instantOf, objectIn, secondsOf, textOf, wholeText } from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { fromMinorUnits } from '../standard/values.js'
import type { Told } from './told.js'

const decided = new Set(['won', 'lost'])
const told = new Set(
  ['created', 'closed', 'funds_withdrawn', 'funds_reinstated'].map(name => `charge.dispute.${name}`),
)

export function mapDispute({ object, type, atSeconds, isFetched }: Told, context: MapContext): MapOutcome {
  const [id, status] = [textOf(object['id']), textOf(object['status'])]
  if (status.startsWith('warning_') || status === 'prevented')
    return { kind: 'ignored', reason: 'moves_no_money' }
  if (!isFetched && !told.has(type)) return { kind: 'ignored', reason: 'told_by_another_event' }
  const charge = objectIn(object['charge'])
  if (idOf(charge['customer']) === '' && !isFetched && /^\w{1,100}$/.test(id))
    return { kind: 'fetch', what: { object: 'dispute', id } }
  const created = secondsOf(object['created'])
  if (id === '') context.fault('missing_value', 'id: the dispute has none.', '/data/object/id')
  if (created === undefined)
    context.fault('missing_value', 'created: the dispute has none.', '/data/object/created')
  const currency = textOf(object['currency']).toUpperCase()
  const amount = fromMinorUnits(wholeText(object['amount']), currency)
  if (amount === undefined)
    context.fault('invalid_value', 'amount: it is no amount of its currency.', '/data/object/amount')
  const customerId = context.id('customer', idOf(charge['customer']), charge['metadata'])
  const reason = textOf(object['reason'])
  const eventOf = (key: string, step: string, seconds: number): MappedEvent => ({
    ...{ key, id, type: 'weir.payment.disputed', subject: customerId, time: instantOf(seconds) },
    data: {
      payment_id: idOf(object['payment_intent']) || idOf(object['charge']) || id,
      ...{ customer_id: customerId, currency, amount: amount ?? '', dispute_id: id, status: step },
      ...(reason === '' ? {} : { reason }),
    },
  })
  const opened = eventOf('opened', 'opened', created ?? 0)
  if (!decided.has(status)) return { kind: 'events', events: [opened] }
  return { kind: 'events', events: [opened, eventOf(`${status}/${atSeconds}`, status, atSeconds)] }
}
