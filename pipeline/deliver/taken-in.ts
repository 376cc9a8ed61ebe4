// The delivery of a record that was taken in: it waits, and carries what is needed to send it.

import { type ChangedDelivery, deliveryIdOf } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'

export function waitingDelivery(
  connection: string,
  record: ConnectorRecord,
  { at, sourceSequence }: { readonly at: string; readonly sourceSequence: number },
): ChangedDelivery {
  const { kind, id, key, recordedAt, document, after } = record
  const { customer_id: customer, entity_id: entity, correlation_id: correlation } = document
  return {
    delivery_id: deliveryIdOf(connection, record),
    connection,
    record: { kind, id },
    key,
    state: 'waiting',
    at,
    attempts: [],
    attempt_count: 0,
    ...(typeof customer === 'string' && customer !== '' ? { customer_id: customer } : {}),
    ...(typeof entity === 'string' && entity !== '' ? { entity_id: entity } : {}),
    ...(typeof correlation === 'string' && correlation !== '' ? { correlation_id: correlation } : {}),
    ...(after === undefined ? {} : { after }),
    recorded_at: recordedAt,
    document: { ...document },
    source_sequence: sourceSequence,
  }
}
