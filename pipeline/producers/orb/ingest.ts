// Orb's ingestion: a list of events, each with an idempotency key. Pure.
// What is wrong with one event is told with its key, and its neighbours are taken, except where two events of a request have
// one key and other content: then none is, as at Orb.

import { isDeepStrictEqual } from 'node:util'
import { isRecord } from '../../../schemas/json/json-text.js'
import { Problem } from '../../gateway/problem.js'
import {
  eventOr,
  invalid,
  missing,
  type NamedCustomer,
  nameFault,
  type ReadEvent,
  readInstant,
  readProperties,
  type SentEvent,
  type SentFault,
  typeFault,
} from '../usage-event.js'

/** Throws a `Problem` where the body has no list of events. */
export function orbEvents(body: unknown, maxEvents: number, nowMs: number): readonly ReadEvent[] {
  const events = isRecord(body) ? body['events'] : undefined
  if (!Array.isArray(events)) throw new Problem('invalid_request', 'events is not a list.')
  if (events.length > maxEvents)
    throw new Problem('too_many_events', `Send at most ${maxEvents} events at a time.`)
  return events.map((event: unknown) => orbEvent(event, nowMs))
}

function orbEvent(value: unknown, nowMs: number): ReadEvent {
  if (!isRecord(value)) return { kind: 'faulty', id: '', faults: [invalid('event', 'is not an object')] }
  const { event_name: name, idempotency_key: id } = value
  const time = readInstant('timestamp', inUtc(value['timestamp']), nowMs)
  const properties = readProperties('properties', value['properties'])
  const customer = customerOf(value)
  const faults = [
    nameFault('idempotency_key', id),
    typeFault('event_name', name),
    'fault' in customer ? customer.fault : undefined,
    time.kind === 'fault' ? time.fault : time.time === undefined ? missing('timestamp') : undefined,
    'fault' in properties ? properties.fault : undefined,
  ]
  return eventOr(faults, {
    id: id as string,
    type: name as string,
    customer: 'fault' in customer ? { id: '', as: 'ours' } : customer,
    time: time.kind === 'ok' ? time.time : undefined,
    data: 'fault' in properties ? {} : properties.data,
  })
}

/** Orb's instants are in UTC, also where they do not say so. */
function inUtc(timestamp: unknown): unknown {
  const isWithoutOffset = typeof timestamp === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+$/.test(timestamp)
  return isWithoutOffset ? `${timestamp}Z` : timestamp
}

function customerOf(event: Record<string, unknown>): NamedCustomer | { readonly fault: SentFault } {
  const { customer_id: theirs, external_customer_id: ours } = event
  const both = 'customer_id or external_customer_id'
  if (theirs != null && ours != null) return { fault: invalid(both, 'is to be given, not both') }
  if (theirs == null && ours == null) return { fault: missing(both) }
  const field = ours == null ? 'customer_id' : 'external_customer_id'
  const id = ours ?? theirs
  const fault = nameFault(field, id)
  return fault === undefined ? { id: id as string, as: ours == null ? 'theirs' : 'ours' } : { fault }
}

/** The keys that two events of the request have with other content. */
export function conflicting(events: readonly ReadEvent[]): ReadonlySet<string> {
  const first = new Map<string, SentEvent>()
  const found = new Set<string>()
  for (const event of events) {
    if (event.kind === 'faulty') continue
    const before = first.get(event.id)
    if (before === undefined) first.set(event.id, event)
    else if (!isDeepStrictEqual(before, event)) found.add(event.id)
  }
  return found
}
