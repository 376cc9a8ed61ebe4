// An event of Lago. Pure.
// Lago's events name the subscription, and only older ones the customer: whose the subscription is tells the table.

import { isRecord } from '../../../schemas/json/json-text.js'
import {
  eventOr,
  invalid,
  type NamedCustomer,
  nameFault,
  type ReadEvent,
  readProperties,
  readSeconds,
  typeFault,
} from '../usage-event.js'

export function lagoEvent(value: unknown, nowMs: number): ReadEvent {
  if (!isRecord(value)) return { kind: 'faulty', id: '', faults: [invalid('event', 'is not an object')] }
  const { transaction_id: id, external_subscription_id: subscription, code } = value
  const owner = value['external_customer_id']
  const customer: NamedCustomer =
    typeof owner === 'string' && owner !== ''
      ? { id: owner, as: 'theirs' }
      : { id: subscription as string, as: 'subscription' }
  const time = readSeconds('timestamp', value['timestamp'], nowMs)
  const properties = readProperties('properties', value['properties'])
  const faults = [
    nameFault('transaction_id', id),
    nameFault('external_subscription_id', subscription),
    typeFault('code', code),
    owner === undefined || owner === null ? undefined : nameFault('external_customer_id', owner),
    time.kind === 'fault' ? time.fault : undefined,
    'fault' in properties ? properties.fault : undefined,
  ]
  const data = 'fault' in properties ? {} : properties.data
  return eventOr(faults, {
    id: id as string,
    type: code as string,
    customer,
    time: time.kind === 'ok' ? time.time : undefined,
    subscriptionId: subscription as string,
    data: withAmount(data, value['precise_total_amount_cents']),
  })
}

/** The amount that a client worked out itself, beside the properties, which keep a field of that name. */
function withAmount(
  data: Readonly<Record<string, unknown>>,
  amount: unknown,
): Readonly<Record<string, unknown>> {
  if (amount === undefined || amount === null || Object.hasOwn(data, 'precise_total_amount_cents'))
    return data
  return { ...data, precise_total_amount_cents: amount }
}
