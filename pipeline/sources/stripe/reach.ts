// Reads from Stripe's API: one object, the list of events, and lists of objects. An object is kept as an event of type `fetched`, with
// the time at which Stripe answered.
// Invariant: an answer that is none of Stripe's is trouble, never an object.

import { stringifyJson } from '../../../schemas/json/json-text.js'
import { limiterOf, type Rate } from '../../../sinks/http/limiter.js'
import { pauseFor } from '../../broker/back-off.js'
import { type ForeignObject, textOf } from '../map/object-fields.js'
import { apiKeyOf, SourceApi, wholeList } from '../source-api.js'
import {
  type ArrivalDraft,
  type CatchUpStage,
  type Fetched,
  type FetchWhat,
  type ObjectsRequest,
  type ReachParts,
  type SourceObjectState,
  type SourceObjects,
  type SourceReach,
  SourceTrouble,
} from '../source-kind.js'
import { eventsInOrder, keepsEventsMs } from './missed-events.js'
import type { Readable } from './told.js'

/** A live account has 100 reads a second, a test account 25. */
const usualRate: Rate = { per_second: 20, concurrent: 4 }
const pageMost = '100'

/** Where each object is, and what of it is wanted whole. */
const paths: Readonly<Record<Readable, readonly [path: string, ...expand: string[]]>> = {
  subscription: ['subscriptions'],
  subscription_schedule: ['subscription_schedules', 'phases.items.price', 'subscription'],
  invoice: ['invoices'],
  invoice_payment: ['invoice_payments', 'invoice', 'payment.payment_intent'],
  payment_intent: ['payment_intents'],
  charge: ['charges', 'refunds'],
  refund: ['refunds', 'charge'],
  dispute: ['disputes', 'charge'],
  customer: ['customers'],
}
const lists: Readonly<Record<CatchUpStage, readonly Readable[]>> = {
  money: ['payment_intent', 'invoice', 'refund'],
  subscriptions: ['subscription'],
  rest: ['customer'],
}
const objectNames: Readonly<Partial<Record<Readable, SourceObjectState['object']>>> = {
  payment_intent: 'payment',
  refund: 'payment',
  invoice: 'invoice',
  subscription: 'subscription',
}

interface Position {
  readonly list: number
  readonly after: string
}

/**
 * Until a second is over there may be another change in it, and what was read could not be put in order with that: so the state of
 * a subscription is read in a later second than the event that leads to it.
 */
const secondOverMs = 1_100
const ofState = new Set(['subscription', 'subscription_schedule'])

export function stripeReach(parts: ReachParts, waitMs = secondOverMs): SourceReach {
  const { settings, nowMs } = parts
  const why = 'The event names an object that must be read: the source needs api_key.'
  const api = new SourceApi({
    system: 'Stripe',
    baseUrl: `${String(settings['api_url']).replace(/\/$/, '')}/v1`,
    limiter: limiterOf((settings['rate'] as Rate | undefined) ?? usualRate),
    nowMs,
    authorization: () => `Bearer ${apiKeyOf(parts, why)}`,
  })
  return {
    keepsMs: keepsEventsMs,
    async fetch(what, signal) {
      if (ofState.has(what.object)) await pauseFor(waitMs, signal)
      return read(api, what, signal)
    },
    catchUp: (request, signal) => eventsInOrder(api, request, signal),
    objects: (request, signal) => listed(api, request, signal),
  }
}

async function read(api: SourceApi, what: FetchWhat, signal: AbortSignal): Promise<Fetched> {
  const named = Object.hasOwn(paths, what.object) ? paths[what.object as Readable] : undefined
  if (named === undefined) return { kind: 'gone', detail: `Objects of type ${what.object} are not read.` }
  const [path, ...expand] = named
  const page = await api.get(`/${path}/${encodeURIComponent(what.id)}`, expanded(expand), signal)
  if (page === undefined) return { kind: 'gone', detail: `Stripe has no ${what.object} ${what.id}.` }
  if (page.body['id'] !== what.id)
    throw new SourceTrouble(
      'answer_not_understood',
      `Stripe answers with something that is not the ${what.object}.`,
    )
  return { kind: 'found', arrival: arrivalOf(what, page.body, Math.floor(page.atMs / 1_000)) }
}

/** Stripe filters lists by when an object was made, not by when it changed: every one is read. */
async function listed(
  api: SourceApi,
  { stage, position }: ObjectsRequest,
  signal: AbortSignal,
): Promise<SourceObjects> {
  const { list, after }: Position = (position as Position | undefined) ?? { list: 0, after: '' }
  const kind = lists[stage][list]!
  const [path, ...expand] = paths[kind]
  const query = {
    limit: pageMost,
    ...expanded(expand.map(field => `data.${field}`)),
    ...(kind === 'subscription' ? { status: 'all' } : {}),
    ...(after === '' ? {} : { starting_after: after }),
  }
  const page = await api.get(`/${path}`, query, signal)
  if (page === undefined) throw new SourceTrouble('answer_not_understood', `Stripe has no list ${path}.`)
  const found = wholeList('Stripe', page.body['data'])
  const createdSeconds = Math.floor(page.atMs / 1_000)
  const objects = found.map((value): SourceObjectState => {
    const id = textOf(value['id'])
    return {
      object: objectNames[kind] ?? 'customer',
      id,
      arrival: arrivalOf({ object: kind, id }, value, createdSeconds),
    }
  })
  const last = textOf(found.at(-1)?.['id'])
  if (page.body['has_more'] === true && last !== '')
    return { objects, position: { list, after: last } satisfies Position }
  const isEnd = list + 1 >= lists[stage].length
  return { objects, position: isEnd ? undefined : ({ list: list + 1, after: '' } satisfies Position) }
}

function expanded(fields: readonly string[]): Record<string, string> {
  return Object.fromEntries(fields.map((field, index) => [`expand[${index}]`, field]))
}

function arrivalOf({ object, id }: FetchWhat, value: ForeignObject, created: number): ArrivalDraft {
  const event = { object: 'event', type: 'fetched', created, data: { object: value } }
  return {
    id: `${object}/${id}@${created}`,
    type: `fetched.${object}`,
    occurredAtMs: created * 1000,
    bytes: Buffer.from(stringifyJson(event)),
  }
}
