// A schedule of Stripe: what its subscription will be. Each phase to come is an amendment with a future `effective_from`.
// With a key the schedule is read together with its subscription, and both are told at once: a state of the subscription that is told
// later by itself would else win over what is scheduled. A subscription that has left its schedule is told without it, which takes
// the amendments back.

import {
  type ForeignObject,
  idOf,
  instantOf,
  listIn,
  objectIn,
  secondsOf,
  textOf,
} from '../map/object-fields.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { itemTerms, mapSubscription } from './subscription.js'
import type { Told } from './told.js'

/** Versions of amendments after that of the state that they belong to. */
const afterState = 10
const afterEvents = 200

export function mapSchedule(told: Told, context: MapContext): MapOutcome {
  const { object, type, isFetched } = told
  if (type === 'subscription_schedule.expiring') return { kind: 'ignored', reason: 'notice_only' }
  const [id, subscription] = [
    textOf(object['id']),
    idOf(object['subscription']) || idOf(object['released_subscription']),
  ]
  if (subscription === '') return { kind: 'ignored', reason: 'not_begun' }
  if (isFetched) return mapRead(told, context)
  const isLeft = /\.(?:released|canceled|completed|aborted)$/.test(type)
  const hasKey = context.settings['api_key'] !== undefined
  if (hasKey && isLeft) return { kind: 'fetch', what: { object: 'subscription', id: subscription } }
  if (hasKey || !namesPlans(object, context))
    return { kind: 'fetch', what: { object: 'subscription_schedule', id } }
  const events = isLeft
    ? leave(told, subscription, context)
    : amendments(told, subscription, afterEvents, context)
  return events.length === 0 ? { kind: 'ignored', reason: 'nothing_to_come' } : { kind: 'events', events }
}

/** The schedule with its subscription, as of now. */
function mapRead(told: Told, context: MapContext): MapOutcome {
  const { object } = told
  const subscription = objectIn(object['subscription'])
  if (textOf(subscription['id']) === '') return { kind: 'ignored', reason: 'not_begun' }
  const { schedule: _, ...alone } = subscription
  const outcome = mapSubscription({ ...told, object: alone }, context)
  if (outcome.kind !== 'events' || textOf(object['status']) !== 'active') return outcome
  const more = amendments(told, textOf(subscription['id']), afterState, context)
  return { ...outcome, events: [...outcome.events, ...more] }
}

function amendments(told: Told, subscription: string, after: number, context: MapContext): MappedEvent[] {
  const { object, atSeconds, isFetched } = told
  const phases = listIn(object['phases'])
  const end = textOf(object['end_behavior']) === 'cancel' ? secondsOf(phases.at(-1)?.['end_date']) : undefined
  const until = end === undefined || end <= atSeconds ? {} : { effective_until: instantOf(end) }
  const make = amendmentOf(told, subscription, context)
  const version = atSeconds * 1000 + (isFetched ? 500 : 0) + after
  const coming = phases.filter(phase => (secondsOf(phase['start_date']) ?? 0) > atSeconds)
  if (coming.length === 0)
    return 'effective_until' in until
      ? [make('end', version, atSeconds, { ...until, change: 'scheduled' })]
      : []
  return coming.map((phase, index) => {
    const start = secondsOf(phase['start_date']) ?? atSeconds
    const at = `/data/object/phases/${phases.indexOf(phase)}`
    const terms = itemTerms(listIn(phase['items']), metadataOf(object, phase), at, context)
    const trial = secondsOf(phase['trial_end'])
    const ofTrial = trial === undefined ? {} : { trial_until: instantOf(trial) }
    return make(`phase/${start}`, version + index, start, {
      ...terms,
      ...ofTrial,
      ...until,
      change: 'scheduled',
    })
  })
}

/** Without a key: what was to come is taken back by the terms of the phase under way, or the subscription has ended. */
function leave(told: Told, subscription: string, context: MapContext): MappedEvent[] {
  const { object, type, atSeconds } = told
  const version = atSeconds * 1000 + afterEvents
  if (type === 'subscription_schedule.canceled') {
    const ended = secondsOf(object['canceled_at']) ?? atSeconds
    return [
      amendmentOf(told, subscription, context)('left', version, ended, {}, 'weir.subscription.cancelled'),
    ]
  }
  if (type !== 'subscription_schedule.released') return [] // the subscription itself tells of it
  const phases = listIn(object['phases'])
  const isNow = (phase: ForeignObject) => (secondsOf(phase['start_date']) ?? 0) <= atSeconds
  const phase = phases.findLast(isNow)
  if (phase === undefined || phases.every(isNow)) return []
  const at = `/data/object/phases/${phases.indexOf(phase)}`
  const terms = itemTerms(listIn(phase['items']), metadataOf(object, phase), at, context)
  return [
    amendmentOf(told, subscription, context)('left', version, atSeconds, { ...terms, change: 'released' }),
  ]
}

function amendmentOf({ object, atSeconds }: Told, subscription: string, context: MapContext) {
  const ours = {
    subscription_id: context.id('subscription', subscription, object['metadata']),
    customer_id: context.id('customer', idOf(object['customer']), object['metadata']),
  }
  return (
    key: string,
    version: number,
    effective: number,
    data: object,
    type = 'weir.subscription.amended',
  ): MappedEvent => ({
    ...{ key, type, subject: ours.customer_id, time: instantOf(atSeconds), version },
    data: { ...ours, effective_from: instantOf(effective), ...data },
  })
}

function metadataOf(schedule: ForeignObject, phase: ForeignObject): ForeignObject {
  return { ...objectIn(schedule['metadata']), ...objectIn(phase['metadata']) }
}

/** Whether the prices of the phases are there whole, where the product is what names a plan. */
function namesPlans(object: ForeignObject, context: MapContext): boolean {
  if (context.settings['plan_from'] === 'price') return true
  const prices = listIn(object['phases']).flatMap(phase => listIn(phase['items']).map(item => item['price']))
  return prices.every(price => idOf(objectIn(price)['product']) !== '')
}
