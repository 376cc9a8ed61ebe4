// A customer of Chargebee.

import { currencyCodes } from '../../../schemas/money/currency.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { textOf } from '../map/object-fields.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import type { Told } from './told.js'

export function mapCustomer({ object, atMs, eventId }: Told, context: MapContext): MapOutcome {
  if (object['deleted'] === true) return { kind: 'ignored', reason: 'no_event_for_deletion' }
  const id = textOf(object['id'])
  const customerId = context.id('customer', id, object['meta_data'])
  const name =
    textOf(object['company']) || `${textOf(object['first_name'])} ${textOf(object['last_name'])}`.trim()
  const currency = textOf(object['preferred_currency_code'])
  return {
    kind: 'events',
    events: [
      {
        ...{ key: '', id: eventId, type: 'weir.customer.upserted', subject: customerId },
        time: formatInstantMs(atMs),
        data: {
          customer_id: customerId,
          ...(name === '' ? {} : { name }),
          ...(currencyCodes.includes(currency) ? { currency } : {}),
          external_ids: { billing: id },
        },
      },
    ],
  }
}
