// A subscription of Recurly, told whole each time.

import { formatInstantMs } from '../../../schemas/time.js'
import { anchorOf, type SubscriptionTerms, stateOutcome, wholeQuantities } from '../map/subscription-state.js'
import type { MapContext, MapOutcome } from '../source-kind.js'
import type { SubscriptionFacts } from './facts.js'

export function mapSubscription(facts: SubscriptionFacts, context: MapContext): MapOutcome {
  const { uuid, state, startMs, changedMs, pausedMs, expiresMs } = facts
  if (state === 'failed' || state === 'pending') return { kind: 'ignored', reason: 'not_begun' }
  if (uuid === '') context.fault('missing_value', 'uuid: the subscription has none.', '/uuid')
  if (state === '') context.fault('missing_value', 'state: the subscription has none.', '/state')
  if (startMs === undefined || changedMs === undefined) {
    context.fault('missing_value', 'activated_at, updated_at: the subscription does not say since when.', '')
    return { kind: 'events', events: [] }
  }
  const isOver = state === 'expired'
  return stateOutcome({
    fetch: { object: 'subscription', id: `uuid-${uuid}` },
    subscriptionId: context.id('subscription', uuid, facts.metadata),
    customerId: context.id('customer', facts.account, facts.metadata),
    version: Math.floor(changedMs / 1_000) * 1_000 + facts.offset,
    startMs,
    changedMs,
    isFirst: facts.isNew,
    terms: termsOf(facts, startMs, context),
    endMs: isOver || state === 'canceled' ? expiresMs : undefined,
    isOver,
    endReason: facts.endReason,
    // An active one with `paused_at` will pause then.
    pausedMs: pausedMs ?? (state === 'paused' ? changedMs : undefined),
    resumesMs: facts.resumesMs,
  })
}

function termsOf(facts: SubscriptionFacts, startMs: number, context: MapContext): SubscriptionTerms {
  const { plan, quantity, addOns, trialEndsMs, periodFromMs, periodUntilMs, poNumber, entity } = facts
  const { settings } = context
  const quantities: Record<string, string> = {}
  const add = (theirs: string, count: string, pointer: string) => {
    if (count === '') return
    const ours = context.id('price', theirs)
    if (ours !== '' && quantities[ours] !== undefined)
      context.fault('several_values', `Two quantities are of our price ${ours}.`, pointer)
    quantities[ours] = count
  }
  if (settings['quantities'] !== 'add_ons') add(plan, quantity, '/quantity')
  for (const [index, addOn] of addOns.entries()) add(addOn.code, addOn.quantity, `/add_ons/${index}`)
  const anchorMs = anchorOf(trialEndsMs ?? startMs, periodFromMs, periodUntilMs)
  return {
    plan: context.id('plan', plan, facts.metadata),
    quantities: wholeQuantities(quantities, settings),
    billing_anchor: formatInstantMs(anchorMs),
    trial_until: trialEndsMs === undefined ? null : formatInstantMs(trialEndsMs),
    ...(poNumber === '' ? {} : { po_number: poNumber }),
    ...(entity === '' || settings['entity_from'] !== 'business_entity'
      ? {}
      : { entity_id: context.id('entity', entity) }),
  }
}
