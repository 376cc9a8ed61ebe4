// A subscription of Chargebee, told whole each time: of product catalog 1.0 with a plan and addons, of 2.0 with items. Its order is
// `resource_version`, in milliseconds.

import { formatInstantMs } from '../../../schemas/time.js'
import { type ForeignObject, listIn, numberText, secondsOf, textOf } from '../map/object-fields.js'
import {
  anchorOf,
  type SubscriptionTerms,
  stateOutcome,
  versionsOfState,
  wholeQuantities,
} from '../map/subscription-state.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import type { Told } from './told.js'

const making = /^subscription_created/

export function mapSubscription({ object, type, atMs, eventId }: Told, context: MapContext): MapOutcome {
  const at = (name: string) => msOf(object[name])
  const [id, status] = [textOf(object['id']), textOf(object['status'])]
  const startMs =
    (status === 'future' ? at('start_date') : undefined) ??
    at('started_at') ??
    at('start_date') ??
    at('created_at')
  if (id === '') context.fault('missing_value', 'id: the subscription has none.', '/content/subscription/id')
  if (status === '')
    context.fault('missing_value', 'status: the subscription has none.', '/content/subscription/status')
  if (startMs === undefined) {
    context.fault(
      'missing_value',
      'started_at: the subscription does not say since when.',
      '/content/subscription/started_at',
    )
    return { kind: 'events', events: [] }
  }
  const changedMs = at('updated_at') ?? atMs
  const version = object['resource_version']
  const versionMs = typeof version === 'number' && Number.isSafeInteger(version) ? version : changedMs
  const isOver = status === 'cancelled' || status === 'transferred' || object['deleted'] === true
  const endsMs = at('cancelled_at') ?? (isOver ? changedMs : at('current_term_end'))
  const outcome = stateOutcome({
    fetch: { object: 'subscription', id },
    subscriptionId: context.id('subscription', id, object['meta_data']),
    customerId: context.id('customer', textOf(object['customer_id']), object['meta_data']),
    version: versionMs * versionsOfState,
    startMs,
    changedMs,
    isFirst: making.test(type) || at('created_at') === changedMs,
    terms: termsOf(object, startMs, context),
    endMs: isOver || status === 'non_renewing' ? endsMs : undefined,
    isOver,
    endReason:
      status === 'transferred'
        ? status
        : textOf(object['cancel_reason_code']) || textOf(object['cancel_reason']),
    // An active one with `pause_date` will pause then.
    pausedMs: at('pause_date') ?? (status === 'paused' ? changedMs : undefined),
    resumesMs: at('resume_date'),
  })
  if (outcome.kind !== 'events' || eventId === undefined) return outcome
  return { ...outcome, events: outcome.events.map(one => ({ ...one, id: eventId })) }
}

function termsOf(object: ForeignObject, startMs: number, context: MapContext): SubscriptionTerms {
  const { settings } = context
  const quantities: Record<string, string> = {}
  const metadata = object['meta_data']
  const items = itemsOf(object)
  const plans = items.filter(({ isPlan }) => isPlan)
  if (plans.length !== 1)
    context.fault(
      'several_plans',
      `It has ${plans.length} plans.`,
      '/content/subscription/subscription_items',
    )
  for (const { theirs, quantity, isPlan, pointer } of items) {
    if (quantity === '' || (isPlan && settings['quantities'] === 'addons')) continue
    const ours = context.id('price', theirs)
    if (ours !== '' && quantities[ours] !== undefined)
      context.fault('several_values', `Two items are of our price ${ours}.`, pointer)
    quantities[ours] = quantity
  }
  const trialMs = msOf(object['trial_end'])
  const anchorMs = anchorOf(
    trialMs ?? startMs,
    msOf(object['current_term_start']),
    msOf(object['current_term_end']),
  )
  const [poNumber, entity] = [textOf(object['po_number']), textOf(object['business_entity_id'])]
  return {
    plan: context.id('plan', plans[0]?.theirs ?? '', metadata),
    quantities: wholeQuantities(quantities, settings),
    billing_anchor: formatInstantMs(anchorMs),
    trial_until: trialMs === undefined ? null : formatInstantMs(trialMs),
    ...(poNumber === '' ? {} : { po_number: poNumber }),
    ...(entity === '' || settings['entity_from'] !== 'business_entity'
      ? {}
      : { entity_id: context.id('entity', entity) }),
  }
}

interface Item {
  readonly theirs: string
  readonly quantity: string
  readonly isPlan: boolean
  readonly pointer: string
}

function itemsOf(object: ForeignObject): readonly Item[] {
  const at = (list: string, index: number) => `/content/subscription/${list}/${index}`
  const items = listIn(object['subscription_items'])
  if (items.length > 0)
    return items.flatMap((item, index) => {
      const kind = textOf(item['item_type'])
      if (kind === 'charge') return [] // billed once, or by an event
      const isMetered = item['metered_quantity'] !== undefined
      const quantity = isMetered ? '' : quantityOf(item, 'quantity')
      const theirs = textOf(item['item_price_id'])
      return [{ theirs, quantity, isPlan: kind === 'plan', pointer: at('subscription_items', index) }]
    })
  const plan = textOf(object['plan_id'])
  return [
    ...(plan === ''
      ? []
      : [
          {
            theirs: plan,
            quantity: quantityOf(object, 'plan_quantity'),
            isPlan: true,
            pointer: at('plan_id', 0),
          },
        ]),
    ...listIn(object['addons']).map((addon, index) => ({
      theirs: textOf(addon['id']),
      quantity: quantityOf(addon, 'quantity'),
      isPlan: false,
      pointer: at('addons', index),
    })),
  ]
}

/** Where a site has quantities with decimals, they stand beside the whole ones as a text. */
function quantityOf(object: ForeignObject, name: string): string {
  return numberText(object[`${name}_in_decimal`]) || numberText(object[name])
}

export function msOf(seconds: unknown): number | undefined {
  const whole = secondsOf(seconds)
  return whole === undefined ? undefined : whole * 1_000
}
