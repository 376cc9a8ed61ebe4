// A subscription of Stripe, told whole each time: its terms as `created`, effective from when they hold, and beside them
// whether it is suspended or has ended. Each state sets every field, and the highest sequence wins, so any order ends the
// same. Period and anchor stand on the items since 2025-03-31, before that on the subscription.
// Invariant: the version is when Stripe said so: seconds in thousandths, an object that was read above the events of its
// second. Two states of one second that differ are not put in order: the subscription is read.

import { hash } from 'node:crypto'
import { canonicalJson } from '../../../schemas/json/canonical-json.js'
import {
  type ForeignObject,
  idOf,
  instantOf,
  listIn,
  objectIn,
  secondsOf,
  textOf,
  wholeText,
} from '../map/object-fields.js'
import { wholeQuantities } from '../map/subscription-state.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import type { Told } from './told.js'

/** Nothing of it is in force yet, or ever was. */
const notBegun = new Set(['incomplete', 'incomplete_expired'])
const suspending = new Set(['paused', 'unpaid'])
const fetchedOffset = 500

export function mapSubscription(told: Told, context: MapContext): MapOutcome {
  const { object, type, atSeconds, isFetched } = told
  if (/trial_will_end|pending_update/.test(type)) return { kind: 'ignored', reason: 'notice_only' }
  const status = textOf(object['status'])
  if (notBegun.has(status)) return { kind: 'ignored', reason: 'not_begun' }
  const id = textOf(object['id'])
  const schedule = idOf(object['schedule'])
  if (schedule !== '' && status !== 'canceled' && context.settings['api_key'] !== undefined)
    return { kind: 'fetch', what: { object: 'subscription_schedule', id: schedule } }
  const start = secondsOf(object['start_date'])
  if (id === '') context.fault('missing_value', 'id: the subscription has none.', '/data/object/id')
  if (start === undefined)
    context.fault('missing_value', 'start_date: there is none.', '/data/object/start_date')
  const version = atSeconds * 1000 + (isFetched ? fetchedOffset : 0)
  const ours = {
    subscription_id: context.id('subscription', id, object['metadata']),
    customer_id: context.id('customer', idOf(object['customer']), object['metadata']),
  }
  const isCreation = type === 'customer.subscription.created'
  const effective = isCreation ? (start ?? atSeconds) : Math.max(start ?? 0, atSeconds)
  const common = { subject: ours.customer_id, time: instantOf(atSeconds) }
  const end = endOf(object, listIn(object['items']))
  const isOver = end !== undefined && end <= effective // an end that has passed is a cancellation of that instant
  const until = end === undefined || isOver ? null : instantOf(end)
  const terms = { ...termsOf(object, context), effective_until: until }
  const events: MappedEvent[] = [
    {
      ...{ ...common, key: '', type: 'weir.subscription.created', version },
      data: { ...ours, effective_from: instantOf(effective), ...terms },
    },
    ...statusOf(object, status, {
      ours,
      common,
      version: version + 1,
      effective,
      ended: isOver ? end : undefined,
    }),
  ]
  const digest = hash(
    'sha256',
    canonicalJson({ terms, status, ended: object['ended_at'] ?? null, pause: pauseOf(object) }),
    'hex',
  )
  const state = { object: `subscription ${id}`, version: atSeconds, digest: digest.slice(0, 32) }
  return { kind: 'events', events, state: { ...state, fetch: { object: 'subscription', id } } }
}

interface Standing {
  readonly ours: Readonly<Record<string, string>>
  readonly common: Pick<MappedEvent, 'subject' | 'time'>
  readonly version: number
  readonly effective: number
  /** When it ended, if it was to end by now. */
  readonly ended: number | undefined
}

function statusOf(
  object: ForeignObject,
  status: string,
  { ours, common, version, effective, ended: due }: Standing,
): MappedEvent[] {
  if (status === 'canceled' || due !== undefined) {
    const ended = secondsOf(object['ended_at']) ?? due ?? secondsOf(object['canceled_at']) ?? effective
    const reason = textOf(objectIn(object['cancellation_details'])['reason'])
    const data = { ...ours, effective_from: instantOf(ended), ...(reason === '' ? {} : { reason }) }
    return [{ ...common, key: 'status', type: 'weir.subscription.cancelled', version, data }]
  }
  const pause = pauseOf(object)
  if (!suspending.has(status) && pause === undefined) return []
  const reason = pause ?? status
  const data = { ...ours, effective_from: instantOf(effective), reason }
  return [{ ...common, key: 'status', type: 'weir.subscription.suspended', version, data }]
}

/** Collection is paused in a way in which nothing is owed. */
function pauseOf(object: ForeignObject): string | undefined {
  const behavior = textOf(objectIn(object['pause_collection'])['behavior'])
  return behavior === 'void' ? 'collection_paused' : undefined
}

function termsOf(object: ForeignObject, context: MapContext): Readonly<Record<string, unknown>> {
  const anchor = secondsOf(object['billing_cycle_anchor'])
  const trial = secondsOf(object['trial_end'])
  return {
    ...itemTerms(listIn(object['items']), objectIn(object['metadata']), '/data/object', context),
    ...(anchor === undefined ? {} : { billing_anchor: instantOf(anchor) }),
    trial_until: trial === undefined ? null : instantOf(trial),
  }
}

/** The plan and the quantities of our prices that items name. `at` is where the list stands. */
export function itemTerms(
  items: readonly ForeignObject[],
  ownMetadata: ForeignObject,
  at: string,
  context: MapContext,
): { readonly plan: string; readonly quantities: Readonly<Record<string, string>> } {
  if (items.length === 0) context.fault('missing_value', 'items: there are none.', `${at}/items`)
  const plans = new Set<string>()
  const quantities: Record<string, string> = {}
  for (const [index, item] of items.entries()) {
    const price = objectIn(item['price'] ?? item['plan'])
    const priceId = idOf(item['price'] ?? item['plan'])
    const metadata = { ...objectIn(price['metadata']), ...ownMetadata }
    const named = context.settings['plan_from'] === 'price' ? priceId : idOf(price['product'])
    plans.add(context.id('plan', named, metadata))
    const isLicensed = textOf(objectIn(price['recurring'])['usage_type']) !== 'metered'
    const quantity = wholeText(item['quantity'])
    if (!isLicensed || quantity === '') continue
    const ours = context.id('price', priceId, price['metadata'])
    if (quantities[ours] !== undefined && ours !== '')
      context.fault('several_values', `Two items are of our price ${ours}.`, `${at}/items/data/${index}`)
    quantities[ours] = quantity
  }
  if (plans.size > 1) context.fault('several_plans', 'Its items are of several of our plans.', `${at}/items`)
  const [plan = ''] = plans
  return { plan, quantities: wholeQuantities(quantities, context.settings) }
}

/** When it is to end: at a set instant, or with the period, of which the items tell, or in older versions the subscription. */
function endOf(object: ForeignObject, items: readonly ForeignObject[]): number | undefined {
  const set = secondsOf(object['cancel_at'])
  if (set !== undefined) return set
  if (object['cancel_at_period_end'] !== true) return undefined
  const ends = items.map(item => secondsOf(item['current_period_end'])).filter(one => one !== undefined)
  return ends.length > 0 ? Math.max(...ends) : secondsOf(object['current_period_end'])
}
