// From what a CRM sold to the events of subscriptions: `created` of the first quote, `amended` at each day on which the terms
// change (ramps, amendments), `renewed`, `cancelled`. Each time the whole contract is told, so that whichever order the
// arrivals come in, the latest state wins.
// Invariants: everything is checked before anything is given: with one fault, there is no event and all faults are told. The
// sequence of an event is made of the deal's version and its place, at most `mostEvents` places.

import { Temporal } from 'temporal-polyfill'
import { formatScaled } from '../../../schemas/money/decimal.js'
import { formatInstant, nsOf } from '../../../schemas/time.js'
import type { MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { checkCountry, entityOf, type KnownAccount, readAccount } from './account.js'
import { type Deal, metadataOf } from './deal.js'
import { type Fields, RecordReader } from './fields.js'
import type { QuoteRules } from './quote-rules.js'
import { type Day, daysAfter, readStep, type SoldStep } from './sold.js'
import { sameTerms, type Terms, termsAt, withRemoved } from './terms-at.js'

/** Places of one version: versions are seconds in milliseconds. */
const mostEvents = 900

export function quoteToSubscription(deal: Deal, fields: Fields, context: MapContext<QuoteRules>): MapOutcome {
  const account = deal.account && readAccount(deal.account, fields, context)
  const [first] = deal.steps
  if (account === undefined) context.fault('missing_value', 'The quote is of no account.')
  if (first === undefined) return { kind: 'ignored', reason: 'no_quote' }
  const quote = new RecordReader(first.record, first.pointer, fields.quote, context)
  const isOfQuote = fields.quote['entity'] !== undefined
  const entity =
    isOfQuote || account === undefined ? entityOf(quote, context) : entityOf(account.reader, context)
  if (account !== undefined) checkCountry(account, entity, context)
  const steps = deal.steps.map(step => readStep(step, fields, context)).filter(one => one !== undefined)
  if (account === undefined || steps.length === 0) return { kind: 'events', events: [] }
  const groups = [...new Set(steps.flatMap(step => step.lines.map(({ group }) => group)))].sort()
  const events: MappedEvent[] = []
  for (const group of groups) {
    const name = group === '' ? deal.id : `${deal.id}/${group}`
    const subscriptionId = context.id('subscription', name, metadataOf(first.record))
    const changes = changesOf(steps, group, deal.endedOn, context)
    const shared = { deal, account, entity, subscriptionId, group, timezone: context.rules.timezone }
    for (const change of changes) events.push(eventOf(change, shared, events.length))
  }
  if (events.length > mostEvents)
    context.fault('too_many_changes', `The quote gives more than ${mostEvents} changes.`)
  return events.length === 0 ? { kind: 'ignored', reason: 'nothing_sold' } : { kind: 'events', events }
}

type Change =
  | {
      readonly kind: 'created' | 'amended'
      readonly from: Day
      readonly until: Day | undefined
      readonly terms: Terms
      readonly before: Terms | undefined
      readonly why: string
    }
  | { readonly kind: 'renewed'; readonly from: Day; readonly until: Day | undefined }
  | { readonly kind: 'cancelled'; readonly from: Day; readonly why: string }

function changesOf(
  steps: readonly SoldStep[],
  group: string,
  endedOn: Day | undefined,
  context: MapContext<QuoteRules>,
): readonly Change[] {
  const changes: Change[] = []
  let before: Terms | undefined
  for (const step of steps) {
    const lines = step.lines.filter(one => one.group === group)
    if (step.kind === 'renewal' && before !== undefined)
      changes.push({ kind: 'renewed', from: step.from, until: step.until })
    for (const [index, day] of daysOfChange(step, lines).entries()) {
      const terms = termsAt(step, lines, day, context)
      if (terms === undefined) continue
      if (terms === 'none') {
        if (before !== undefined) changes.push({ kind: 'cancelled', from: day, why: step.kind })
        before = undefined
        continue
      }
      const whole = before === undefined ? terms : withRemoved(terms, before)
      if (changes.at(-1)?.kind === 'cancelled')
        context.fault('sold_again_after_end', `On ${day} something is sold again after everything had ended.`)
      const why = index === 0 ? step.kind : 'ramp'
      const kind = changes.length === 0 ? 'created' : 'amended'
      if (before === undefined || !sameTerms(whole, before) || (kind === 'amended' && index === 0))
        changes.push({ kind, from: day, until: step.until, terms: whole, before, why })
      before = whole
    }
  }
  if (endedOn !== undefined && changes.length > 0)
    changes.push({ kind: 'cancelled', from: daysAfter(endedOn, 1), why: 'contract_ended' })
  return changes
}

/** The first day, and each on which a line begins or ends before the whole does. */
function daysOfChange({ from, until }: SoldStep, lines: SoldStep['lines']): readonly Day[] {
  const days = lines.flatMap(one => [one.from, ...(one.until === undefined ? [] : [one.until])])
  const within = days.filter(day => day > from && (until === undefined || day < until))
  const first = lines.some(one => one.from <= from) || lines.length === 0 ? [from] : []
  return [...new Set([...first, ...within])].sort()
}

interface Shared {
  readonly deal: Deal
  readonly account: KnownAccount
  readonly entity: string | undefined
  readonly subscriptionId: string
  readonly group: string
  readonly timezone: string
}

function eventOf(change: Change, shared: Shared, place: number): MappedEvent {
  const { deal, account, subscriptionId, timezone } = shared
  const instant = (day: Day) => instantOf(day, timezone)
  const until = (day: Day | undefined) => (day === undefined ? null : instant(day))
  const ids = { subscription_id: subscriptionId, customer_id: account.customerId }
  const common = {
    key: String(place),
    subject: account.customerId,
    version: deal.version + place,
    correlationId: deal.correlationId,
  }
  const data = { ...ids, effective_from: instant(change.from) }
  switch (change.kind) {
    case 'created': {
      const own = { timezone, ...createdOnly(shared), effective_until: until(change.until) }
      return { ...common, type: 'weir.subscription.created', data: { ...data, ...own, ...termsOf(change) } }
    }
    case 'amended': {
      const isSet = change.until !== undefined // an amendment that names no end leaves it as it is
      const own = { change: change.why, ...(isSet ? { effective_until: until(change.until) } : {}) }
      return { ...common, type: 'weir.subscription.amended', data: { ...data, ...own, ...termsOf(change) } }
    }
    case 'renewed':
      return {
        ...common,
        type: 'weir.subscription.renewed',
        data: { ...data, effective_until: until(change.until) },
      }
    case 'cancelled':
      return { ...common, type: 'weir.subscription.cancelled', data: { ...data, reason: change.why } }
    default:
      return change satisfies never
  }
}

function createdOnly({ deal, entity }: Shared): Readonly<Record<string, unknown>> {
  return {
    ...(entity === undefined ? {} : { entity_id: entity }),
    ...(deal.contractId === undefined ? {} : { contract_id: deal.contractId }),
    metadata: { crm_id: deal.id },
  }
}

function termsOf({
  terms,
  before,
}: Extract<Change, { readonly terms: Terms }>): Readonly<Record<string, unknown>> {
  const { plan, planVersion, quantities, overrides } = terms
  const isSamePlan = before?.plan === plan && before.planVersion === planVersion
  const hadOverrides = isSamePlan && before.overrides.length > 0
  return {
    ...(isSamePlan ? {} : { plan, ...(planVersion === undefined ? {} : { plan_version: planVersion }) }),
    ...(quantities.size === 0
      ? {}
      : {
          quantities: Object.fromEntries([...quantities].map(([price, one]) => [price, formatScaled(one)])),
        }),
    ...(overrides.length === 0 && !hadOverrides ? {} : { price_overrides: overrides }),
  }
}

/** The first instant of a local day. */
function instantOf(day: Day, timezone: string): string {
  const start = Temporal.PlainDate.from(day).toZonedDateTime(timezone)
  return formatInstant(nsOf(start.epochMilliseconds))
}
