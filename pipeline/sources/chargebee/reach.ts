// Reads from Chargebee's API (v2): one event or object, the list of events in the order in which they occurred, and lists of objects by
// `updated_at`.

import { hash } from 'node:crypto'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { limiterOf, type Rate } from '../../../sinks/http/limiter.js'
import { basicHeader } from '../basic-proof.js'
import { type ForeignObject, numberText, objectIn, textOf } from '../map/object-fields.js'
import { apiKeyOf, SourceApi, wholeList } from '../source-api.js'
import {
  type ArrivalDraft,
  type CatchUpStage,
  type CaughtUp,
  type ReachParts,
  type SourceObjectState,
  type SourceReach,
  SourceTrouble,
} from '../source-kind.js'
import { draftOfEvent } from './loaded.js'
import { msOf } from './subscription.js'
import { type Readable, readable, readType } from './told.js'

/** Limits differ by plan of the site; test sites have 150 a minute. */
const usualRate: Rate = { per_minute: 150, concurrent: 4 }
/** Chargebee shows events of the last 90 days. */
const keepsMs = 90 * 86_400_000
const pageMost = '100'

const eventsOf: Readonly<Record<Exclude<CatchUpStage, 'rest'>, readonly string[]>> = {
  money: [
    ...['payment_succeeded', 'payment_failed', 'payment_refunded', 'payment_initiated', 'refund_initiated'],
    ...['transaction_created', 'transaction_updated', 'transaction_deleted'],
    ...['invoice_generated', 'invoice_generated_with_backdating', 'invoice_updated', 'invoice_deleted'],
    ...[
      'credit_note_created',
      'credit_note_created_with_backdating',
      'credit_note_updated',
      'credit_note_deleted',
    ],
  ],
  subscriptions: [
    ...['created', 'created_with_backdating', 'started', 'activated', 'activated_with_backdating', 'changed'],
    ...[
      'changed_with_backdating',
      'renewed',
      'cancellation_scheduled',
      'scheduled_cancellation_removed',
      'cancelled',
    ],
    ...['reactivated', 'reactivated_with_backdating', 'paused', 'pause_scheduled', 'scheduled_pause_removed'],
    ...['resumed', 'resumption_scheduled', 'scheduled_resumption_removed', 'trial_extended', 'deleted'],
    ...['changes_scheduled', 'scheduled_changes_removed'],
  ].map(type => `subscription_${type}`),
}
const objectLists: Readonly<Record<CatchUpStage, readonly Readable[]>> = {
  money: ['transaction', 'invoice', 'credit_note'],
  subscriptions: ['subscription'],
  rest: ['customer'],
}
const objectNames: Readonly<Record<Readable, SourceObjectState['object']>> = {
  transaction: 'payment',
  invoice: 'invoice',
  credit_note: 'invoice',
  subscription: 'subscription',
  customer: 'customer',
}

interface Position {
  readonly list: number
  readonly offset: string
}

export function chargebeeReach(parts: ReachParts): SourceReach {
  const { settings, nowMs } = parts
  const api = new SourceApi({
    system: 'Chargebee',
    baseUrl: baseUrlOf(settings),
    limiter: limiterOf((settings['rate'] as Rate | undefined) ?? usualRate),
    nowMs,
    authorization() {
      if (settings['site'] === undefined && settings['api_url'] === undefined)
        throw new SourceTrouble('site_missing', 'Chargebee is to be read: the source needs site.')
      return basicHeader(apiKeyOf(parts, 'Chargebee is to be read: the source needs api_key.'), '')
    },
  })
  return {
    keepsMs,
    async fetch({ object, id }, signal) {
      const kind = object === 'event' ? object : readable.find(one => one === object)
      if (kind === undefined) return { kind: 'gone', detail: `Objects of type ${object} are not read.` }
      const page = await api.get(`/${kind}s/${encodeURIComponent(id)}`, {}, signal)
      if (page === undefined) return { kind: 'gone', detail: `Chargebee has no ${object} ${id}.` }
      const found = objectIn(page.body[kind])
      if (found['id'] !== id)
        throw new SourceTrouble(
          'answer_not_understood',
          `Chargebee answers with something that is not the ${object}.`,
        )
      if (kind !== 'event') return { kind: 'found', arrival: arrivalOfObject(kind, found, page.atMs) }
      const draft = draftOf(found)
      return { kind: 'found', arrival: { ...draft, id: `confirmed/${draft.id}` } }
    },
    catchUp: (request, signal) => caughtUp(api, request, signal),
    async objects({ stage, sinceMs, position }, signal) {
      const { list, offset }: Position = (position as Position | undefined) ?? { list: 0, offset: '' }
      const kind = objectLists[stage][list]!
      const sorted = kind === 'credit_note' ? 'date' : 'updated_at'
      const query = {
        ...{ limit: pageMost, 'sort_by[asc]': sorted },
        ...(kind === 'subscription' || kind === 'invoice' ? { include_deleted: 'true' } : {}),
        ...(sinceMs === undefined ? {} : { 'updated_at[after]': secondsText(sinceMs - 1_000) }),
        ...(offset === '' ? {} : { offset }),
      }
      const page = await pageOf(api, `/${kind}s`, query, signal)
      const objects = wholeList('Chargebee', page.body['list']).map(one => {
        const object = objectIn(one[kind])
        return {
          object: objectNames[kind],
          id: textOf(object['id']),
          arrival: arrivalOfObject(kind, object, page.atMs),
        }
      })
      const next = textOf(page.body['next_offset'])
      if (next !== '') return { objects, position: { list, offset: next } satisfies Position }
      const isEnd = list + 1 >= objectLists[stage].length
      return { objects, position: isEnd ? undefined : ({ list: list + 1, offset: '' } satisfies Position) }
    },
  }
}

async function caughtUp(
  api: SourceApi,
  { stage, fromMs, untilMs, position }: Parameters<NonNullable<SourceReach['catchUp']>>[0],
  signal: AbortSignal,
): Promise<CaughtUp> {
  const offset = textOf(position)
  const types =
    stage === 'rest'
      ? { 'event_type[not_in]': JSON.stringify([...eventsOf.money, ...eventsOf.subscriptions]) }
      : { 'event_type[in]': JSON.stringify(eventsOf[stage]) }
  const query = {
    ...{ limit: pageMost, 'sort_by[asc]': 'occurred_at' },
    'occurred_at[between]': `[${secondsText(fromMs)},${secondsText(untilMs)}]`,
    ...types,
    ...(offset === '' ? {} : { offset }),
  }
  const page = await pageOf(api, '/events', query, signal)
  const arrivals = wholeList('Chargebee', page.body['list']).map(one => draftOf(objectIn(one['event'])))
  const next = textOf(page.body['next_offset'])
  return { arrivals, position: next === '' ? undefined : next }
}

async function pageOf(
  api: SourceApi,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
) {
  const page = await api.get(path, query, signal)
  if (page === undefined) throw new SourceTrouble('answer_not_understood', `Chargebee has no list ${path}.`)
  return page
}

/** As the door would have kept it: the same event has the same id. */
function draftOf(event: ForeignObject): ArrivalDraft {
  return draftOfEvent(Buffer.from(stringifyJson(event)))
}

function arrivalOfObject(kind: Readable, object: ForeignObject, readMs: number): ArrivalDraft {
  const text = stringifyJson(object)
  const version = numberText(object['resource_version']) || numberText(object['updated_at'])
  const digest = hash('sha256', text, 'hex').slice(0, 16)
  const occurredAtMs = msOf(object['updated_at'])
  const head = `{"type":"${readType}","read_at":"${formatInstantMs(readMs)}"`
  return {
    id: `${kind}/${textOf(object['id'])}@${version}/${digest}`,
    type: `${readType}.${kind}`,
    ...(occurredAtMs === undefined ? {} : { occurredAtMs }),
    bytes: Buffer.from(`${head},"content":{"${kind}":${text}}}`),
  }
}

function baseUrlOf(settings: ReachParts['settings']): string {
  const { site, api_url: url } = settings
  return typeof url === 'string'
    ? `${url.replace(/\/$/, '')}/api/v2`
    : `https://${String(site ?? 'unknown')}.chargebee.com/api/v2`
}

function secondsText(ms: number): string {
  return String(Math.floor(ms / 1_000))
}
