// An account of Recurly: a customer.

import { formatInstantMs } from '../../../schemas/time.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import type { AccountFacts } from './facts.js'

export function mapAccount(facts: AccountFacts, context: MapContext): MapOutcome {
  const { code, company, firstName, lastName, changedMs, metadata } = facts
  const customerId = context.id('customer', code, metadata)
  const name = company || `${firstName} ${lastName}`.trim()
  return {
    kind: 'events',
    events: [
      {
        ...{ key: '', type: 'weir.customer.upserted', subject: customerId },
        ...(changedMs === undefined ? {} : { time: formatInstantMs(changedMs) }),
        data: {
          customer_id: customerId,
          ...(name === '' ? {} : { name }),
          external_ids: { billing: code },
        },
      },
    ],
  }
}
