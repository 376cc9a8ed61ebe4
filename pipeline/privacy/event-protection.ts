// Replaces the personal values of events at the gateway, by the rules of the configuration.
// Invariants: an event whose envelope or data cannot be read is left as it is, since it is refused in the answer and kept
// nowhere; a value is sealed with the key of the event's customer.

import type { ParsedEvent } from '../../schemas/event/cloud-event.js'
import { type EventData, eventData } from '../../schemas/event/event-data.js'
import { isRecord } from '../../schemas/json/json-text.js'
import type { FieldRules, Seal } from '../../schemas/personal-data/field-rules.js'
import type { EventProtection } from '../gateway/event-protection.js'
import { Problem, unavailable } from '../gateway/problem.js'
import type { CustomerKeys } from './customer-keys.js'

const amendedType = 'weir.usage.amended'
const retryAfterSeconds = 2

interface PersonalEvent {
  readonly value: Record<string, unknown>
  readonly type: string
  readonly customerId: string
  readonly data: EventData
}

export function eventProtection(rules: FieldRules, keys: CustomerKeys): EventProtection {
  const concerns = (type: string): boolean => type.startsWith('weir.') || rules.rulesOf(type).length > 0
  return {
    concerns,
    async protect(events) {
      const personal = events.map(event => personalEvent(event, concerns))
      const sealing = personal.filter(one => one !== undefined && isSealing(one, rules)) as PersonalEvent[]
      const found = sealing.length === 0 ? new Map() : await keysFor(keys, sealing)
      return events.map((event, index) => {
        const one = personal[index]
        if (one === undefined) return event
        const key = found.get(one.customerId)
        const data = protectData(one, rules, json => key.seal(json))
        if (data === one.data) return event
        const { data_base64: _encoded, ...rest } = one.value
        return { kind: 'ok', value: { ...rest, data } }
      })
    },
  }
}

async function keysFor(keys: CustomerKeys, events: readonly PersonalEvent[]) {
  try {
    return await keys.keysFor(events.map(({ customerId }) => customerId))
  } catch (error) {
    if (error instanceof Problem) throw error
    const detail =
      'The keys of personal data cannot be read now: the broker is out of reach. Send everything again.'
    throw unavailable('broker_unavailable', detail, retryAfterSeconds)
  }
}

function personalEvent(event: ParsedEvent, concerns: (type: string) => boolean): PersonalEvent | undefined {
  if (event.kind === 'rejected' || !isRecord(event.value)) return undefined
  const { type, subject } = event.value
  if (typeof type !== 'string' || !concerns(type)) return undefined
  const data = eventData(event.value)
  if (data.kind === 'rejected') return undefined
  const customerId = subject ?? data.value['customer_id']
  if (typeof customerId !== 'string') return undefined
  return { value: event.value, type, customerId, data: data.value }
}

/** An amendment holds the data of the event that it amends, under the rules of that event's type. */
function protectData({ type, data }: PersonalEvent, rules: FieldRules, seal: Seal): EventData {
  const own = rules.protect(type, data, seal)
  if (type !== amendedType || !isRecord(own['data'])) return own
  const amended = rules.protect(amendedEventType(own), own['data'], seal)
  return amended === own['data'] ? own : { ...own, data: amended }
}

function isSealing({ type, data }: PersonalEvent, rules: FieldRules): boolean {
  return rules.isSealing(type) || (type === amendedType && rules.isSealing(amendedEventType(data)))
}

/** Undefined: the amendment does not name the type. */
function amendedEventType(data: EventData): string | undefined {
  const type = data['type']
  return typeof type === 'string' ? type : undefined
}
