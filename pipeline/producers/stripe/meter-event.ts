// A meter event of Stripe, in the form of its first API and in the JSON of its second. Pure.
// Without an `identifier` the client's Idempotency-Key stands for it, which is the same at each of the client's own retries.

import { isRecord } from '../../../schemas/json/json-text.js'
import {
  eventOr,
  invalid,
  missing,
  nameFault,
  type ReadEvent,
  type ReadTime,
  readInstant,
  readSeconds,
  type SentFault,
  typeFault,
} from '../usage-event.js'
import type { FormFields } from './form.js'

export interface MeterEventContext {
  readonly nowMs: number
  /** For an event without an identifier. */
  readonly otherwiseId: string
  /** The field of the payload that names the customer. */
  readonly customerKey: string
}

const v1Names: ReadonlySet<string> = new Set(['event_name', 'identifier', 'timestamp'])
const v2Names: ReadonlySet<string> = new Set([...v1Names, 'payload'])

export function v1MeterEvent({ plain, nested }: FormFields, context: MeterEventContext): ReadEvent {
  const strange = [...plain.keys()].find(name => !v1Names.has(name))
  const strangeNested = [...nested.keys()].find(name => name !== 'payload' && name !== 'expand')
  const payload = nested.get('payload')
  return meterEvent(
    {
      name: plain.get('event_name'),
      identifier: plain.get('identifier'),
      payload: payload === undefined ? undefined : Object.fromEntries(payload),
      time: readSeconds('timestamp', plain.get('timestamp') || undefined, context.nowMs),
      unknown: strange ?? strangeNested,
    },
    context,
  )
}

export function v2MeterEvent(value: unknown, context: MeterEventContext): ReadEvent {
  if (!isRecord(value)) return { kind: 'faulty', id: '', faults: [invalid('event', 'is not an object')] }
  return meterEvent(
    {
      name: value['event_name'],
      identifier: value['identifier'],
      payload: value['payload'],
      time: readInstant('timestamp', value['timestamp'], context.nowMs),
      unknown: Object.keys(value).find(name => !v2Names.has(name)),
    },
    context,
  )
}

interface Parts {
  readonly name: unknown
  readonly identifier: unknown
  readonly payload: unknown
  readonly time: ReadTime
  readonly unknown: string | undefined
}

function meterEvent(
  { name, identifier, payload, time, unknown }: Parts,
  context: MeterEventContext,
): ReadEvent {
  const { customerKey: key } = context
  const id =
    identifier === undefined || identifier === null || identifier === '' ? context.otherwiseId : identifier
  const customer = isRecord(payload) ? payload[key] : undefined
  const faults = [
    typeFault('event_name', name),
    nameFault('identifier', id),
    ...payloadFaults(payload),
    payload === undefined ? undefined : nameFault(`payload[${key}]`, customer),
    time.kind === 'fault' ? time.fault : undefined,
    unknown === undefined ? undefined : unknownFault(unknown),
  ]
  return eventOr(faults, {
    id: id as string,
    type: name as string,
    customer: { id: customer as string, as: 'theirs' },
    time: time.kind === 'ok' ? time.time : undefined,
    data: payload as Record<string, unknown>,
  })
}

function payloadFaults(payload: unknown): readonly SentFault[] {
  if (payload === undefined || payload === null) return [missing('payload')]
  if (!isRecord(payload)) return [invalid('payload', 'is not an object')]
  const wrong = Object.keys(payload).find(key => key === '' || typeof payload[key] !== 'string')
  return wrong === undefined ? [] : [invalid(`payload[${wrong}]`, 'is not a text')]
}

function unknownFault(name: string): SentFault {
  return { field: name, code: 'unknown', detail: `Received unknown parameter: ${name}` }
}
