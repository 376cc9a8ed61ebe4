// A customer of Stripe.

import { currencyCodes } from '../../../schemas/money/currency.js'
import { instantOf, textOf } from '../map/object-fields.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import type { Told } from './told.js'

export function mapCustomer({ object, atSeconds }: Told, context: MapContext): MapOutcome {
  const id = textOf(object['id'])
  const customerId = context.id('customer', id, object['metadata'])
  const name = textOf(object['name'])
  const currency = textOf(object['currency']).toUpperCase()
  return {
    kind: 'events',
    events: [
      {
        ...{ key: '', type: 'weir.customer.upserted', subject: customerId, time: instantOf(atSeconds) },
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
