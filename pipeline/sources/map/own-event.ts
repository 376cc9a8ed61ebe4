// What an event of a source says of which fields, and what of it goes through: a pure function of the event and the rules.
// Invariants:
// 1. A subscription's field goes through only from its owner; all others of the event go through as they are.
// 2. Of a customer everything is claimed; what holds is put together afterwards (owners/claimed-object.ts), since a customer's event
//    tells the whole.

import { fieldsOfCustomer, type ObjectClaim } from '../owners/object-claim.js'
import { fieldOf, type OwnerRule, ownersOf } from '../owners/owner-rules.js'
import type { MadeEvent } from './made-events.js'

export interface OwnedEvent {
  /** What goes through; undefined: nothing. */
  readonly event: MadeEvent | undefined
  readonly claim: ObjectClaim | undefined
}

const statusOf: Readonly<Record<string, string>> = {
  'weir.subscription.created': 'active',
  'weir.subscription.suspended': 'suspended',
  'weir.subscription.resumed': 'active',
  'weir.subscription.cancelled': 'cancelled',
}
/** Members that are no fields, and go with the event. */
const always = ['subscription_id', 'customer_id', 'sequence', 'effective_from', 'change', 'reason']
/** What an amendment may have. */
const amendable = [
  'quantities',
  'effective_until',
  'entity_id',
  'trial_until',
  'billing_anchor',
  'coupons',
  'metadata',
]
/** Sequences of one version; each system has its own part of them, so that two of one instant do not meet. */
const partOfSystem = 100
const mostSystems = 9

export function ownEvent(
  event: MadeEvent,
  source: string,
  rules: readonly OwnerRule[],
  timeNs: bigint,
): OwnedEvent {
  const { type, data } = event
  if (type === 'weir.customer.upserted') {
    if (!rules.some(one => one.object === 'customer')) return { event, claim: undefined }
    const id = String(data['customer_id'])
    return {
      event,
      claim: {
        ...{ object: 'customer', id, customerId: id, fields: fieldsOfCustomer(data) },
        ...{ at: String(timeNs), event: event.id },
      },
    }
  }
  if (!type.startsWith('weir.subscription.') || !rules.some(one => one.object === 'subscription'))
    return { event, claim: undefined }
  const status = statusOf[type]
  const fields = { ...fieldsIn(data), ...(status === undefined ? {} : { status }) }
  const claim: ObjectClaim = {
    object: 'subscription',
    id: String(data['subscription_id']),
    customerId: event.subject,
    fields,
    at: String(data['sequence'] ?? 0),
    event: event.id,
  }
  const passes = (field: string): boolean =>
    ownersOf(rules, 'subscription', fieldOf(field))?.includes(source) ?? true
  const passed = passing(event, passes)
  return { event: passed === undefined ? undefined : inOwnPart(passed, source, rules), claim }
}

function passing(event: MadeEvent, passes: (field: string) => boolean): MadeEvent | undefined {
  switch (event.type) {
    case 'weir.subscription.created':
      if (passes('plan')) return only(event, event.type, name => passes(name))
      return amendment(event, name => passes(name) && amendable.includes(name))
    case 'weir.subscription.amended':
      return amendment(event, name => passes(name))
    case 'weir.subscription.renewed':
      return passes('effective_until') ? event : undefined
    default:
      return passes('status') ? event : undefined
  }
}

/** Undefined: nothing is left to change. */
function amendment(event: MadeEvent, keeps: (name: string) => boolean): MadeEvent | undefined {
  const made = only(event, 'weir.subscription.amended', keeps)
  return Object.keys(made.data).some(name => !always.includes(name) && name !== 'metadata') ? made : undefined
}

function only(event: MadeEvent, type: string, keeps: (name: string) => boolean): MadeEvent {
  const data = Object.fromEntries(
    Object.entries(event.data).filter(([name]) => always.includes(name) || keeps(name)),
  )
  return { ...event, type, data }
}

function inOwnPart(event: MadeEvent, source: string, rules: readonly OwnerRule[]): MadeEvent {
  const first = ownersOf(rules, 'subscription', 'plan') ?? []
  const owners = [
    ...new Set([...first, ...rules.filter(one => one.object === 'subscription').flatMap(one => one.owner)]),
  ]
  const place = Math.min(Math.max(0, owners.indexOf(source)), mostSystems)
  const sequence = event.data['sequence']
  if (place === 0 || typeof sequence !== 'number') return event
  return { ...event, data: { ...event.data, sequence: sequence + place * partOfSystem } }
}

function fieldsIn(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(data).filter(
      ([name, value]) => !always.includes(name) && fieldOf(name) === name && value !== undefined,
    ),
  )
}
