// Reads from Recurly's API: one object, and lists in the order of `updated_at`. Recurly keeps no notifications, so what was missed is
// taken from the lists of objects that have changed since.

import { formatInstantMs } from '../../../schemas/time.js'
import { limiterOf, type Rate } from '../../../sinks/http/limiter.js'
import { pauseFor } from '../../broker/back-off.js'
import { basicHeader } from '../basic-proof.js'
import { type ForeignObject, msOfInstant, textOf } from '../map/object-fields.js'
import { apiKeyOf, type Page, SourceApi, wholeList } from '../source-api.js'
import {
  type CatchUpStage,
  type Fetched,
  type ObjectsRequest,
  type ReachParts,
  type SourceObjectState,
  type SourceObjects,
  type SourceReach,
  SourceTrouble,
} from '../source-kind.js'
import { arrivalOfObject } from './object-arrival.js'

/** A sandbox has 400 a minute, a production site 1,000. */
const usualRate: Rate = { per_minute: 360, concurrent: 4 }
const pageMost = '200'

const paths: Readonly<Record<string, string>> = {
  account: 'accounts',
  subscription: 'subscriptions',
  invoice: 'invoices',
  transaction: 'transactions',
}
const lists: Readonly<Record<CatchUpStage, readonly string[]>> = {
  money: ['transactions', 'invoices'],
  subscriptions: ['subscriptions'],
  rest: ['accounts'],
}
const objectsBy: Readonly<Record<string, SourceObjectState['object']>> = {
  transaction: 'payment',
  invoice: 'invoice',
  subscription: 'subscription',
  account: 'customer',
}

interface Position {
  readonly list: number
  readonly next: string | null
}

/** Within this time after a change there may be another one that has the same `updated_at`, which has whole seconds. */
const settledMs = 2_000

export function recurlyReach(parts: ReachParts, waitMs = settledMs): SourceReach {
  const { settings, nowMs } = parts
  const api = new SourceApi({
    system: 'Recurly',
    baseUrl: String(settings['api_url']),
    limiter: limiterOf((settings['rate'] as Rate | undefined) ?? usualRate),
    nowMs,
    headers: { accept: 'application/vnd.recurly.v2021-02-25' },
    authorization: () =>
      basicHeader(apiKeyOf(parts, 'Recurly names objects that must be read: the source needs api_key.'), ''),
  })
  return {
    async fetch({ object, id }, signal): Promise<Fetched> {
      const path = paths[object]
      if (path === undefined) return { kind: 'gone', detail: `Objects of type ${object} are not read.` }
      const read = () => api.get(`/${path}/${encodeURIComponent(id)}`, {}, signal)
      let page = await read()
      if (page !== undefined && isFresh(page)) {
        await pauseFor(waitMs, signal)
        page = await read()
      }
      if (page === undefined) return { kind: 'gone', detail: `Recurly has no ${object} ${id}.` }
      if (page.body['object'] !== object)
        throw new SourceTrouble(
          'answer_not_understood',
          `Recurly answers with something that is no ${object}.`,
        )
      return { kind: 'found', arrival: arrivalOfObject(page.body, page.atMs) }
    },
    async catchUp({ stage, fromMs, untilMs, position }, signal) {
      const times = { begin_time: formatInstantMs(fromMs), end_time: formatInstantMs(untilMs) }
      const { objects, position: next } = await listed(api, stage, position, times, signal)
      return { arrivals: objects.map(({ arrival }) => arrival), position: next }
    },
    objects: ({ stage, sinceMs, position }: ObjectsRequest, signal) =>
      listed(
        api,
        stage,
        position,
        sinceMs === undefined ? {} : { begin_time: formatInstantMs(sinceMs) },
        signal,
      ),
  }
}

/** Two notifications of one second are one arrival: what the second one is about must be in what is read. */
function isFresh({ body, atMs }: Page): boolean {
  return body['object'] === 'subscription' && atMs - (msOfInstant(body['updated_at']) ?? 0) < settledMs
}

async function listed(
  api: SourceApi,
  stage: CatchUpStage,
  position: unknown,
  times: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<SourceObjects> {
  const { list, next }: Position = (position as Position | undefined) ?? { list: 0, next: null }
  const names = lists[stage]
  const query = { limit: pageMost, sort: 'updated_at', order: 'asc', ...times }
  const page = await api.get(next ?? `/${names[list]}`, next === null ? query : {}, signal)
  if (page === undefined)
    throw new SourceTrouble('answer_not_understood', `Recurly has no list of ${names[list]}.`)
  const objects = wholeList('Recurly', page.body['data']).map(object => stateOf(object, page.atMs))
  const more = page.body['has_more'] === true ? textOf(page.body['next']) : ''
  if (more !== '') return { objects, position: { list, next: more } satisfies Position }
  const isEnd = list + 1 >= names.length
  return { objects, position: isEnd ? undefined : ({ list: list + 1, next: null } satisfies Position) }
}

function stateOf(object: ForeignObject, readMs: number): SourceObjectState {
  const kind = textOf(object['object'])
  const id = kind === 'account' ? textOf(object['code']) : textOf(object['uuid']) || textOf(object['id'])
  return { object: objectsBy[kind] ?? 'customer', id, arrival: arrivalOfObject(object, readMs) }
}
