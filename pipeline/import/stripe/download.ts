// How Stripe's API is read: pages by `has_more` and `starting_after`. Summaries are listed by customer and meter, so they come
// after both; the lines of an invoice that shows only some of them are listed too.

import type { DownloadPlan, ListRequest } from '../api/download-plan.js'
import type { ForeignExport } from '../export-files.js'
import { idIn, listIn, objectIn, textIn } from '../fields.js'
import type { Period } from '../imported.js'

const limit = '100'
const secondNs = 1_000_000_000n
const daySeconds = 86_400n
const hourSeconds = 3_600n
const hourMs = 3_600_000

export const stripeDownload: DownloadPlan = {
  stages: [first, second],
  pageOf(answer, _request, query) {
    const body = objectIn(answer)
    const objects = listIn(body)
    if (!Array.isArray(body['data'])) return undefined
    const last = idIn(objects.at(-1))
    const isMore = body['has_more'] === true && last !== ''
    return { objects, next: isMore ? { ...query, starting_after: last } : undefined }
  },
}

function first(_found: ForeignExport, period: Period, nowMs: number): ListRequest[] {
  const list = (kind: string, path: string, query: Readonly<Record<string, string>> = {}): ListRequest => ({
    kind,
    path: `v1/${path}`,
    query: { limit, ...query },
  })
  return [
    list('customer', 'customers'),
    list('product', 'products'),
    list('price', 'prices', { 'expand[]': 'data.tiers' }),
    list('meter', 'billing/meters'),
    list('subscription', 'subscriptions', { status: 'all' }),
    list('invoice', 'invoices', {
      'created[gte]': String(period.fromNs / secondNs - daySeconds),
      'created[lt]': String(untilSeconds(period, nowMs)),
    }),
  ]
}

/** An invoice of usage is made when its service period is over, up to a month after the period of the import. On the hour. */
function untilSeconds({ untilNs }: Period, nowMs: number): bigint {
  const wanted = untilNs / secondNs + 35n * daySeconds
  const now = BigInt(Math.floor(nowMs / hourMs)) * hourSeconds
  return wanted < now ? wanted - (wanted % hourSeconds) : now
}

function second(found: ForeignExport, period: Period, nowMs: number): ListRequest[] {
  const from = period.fromNs / secondNs
  const times = {
    start_time: String(from - (from % hourSeconds)),
    end_time: String(untilSeconds(period, nowMs)),
  }
  const metered = new Set(
    (found.get('subscription') ?? [])
      .filter(one =>
        listIn(one['items']).some(
          item => textIn(objectIn(objectIn(item['price'])['recurring'])['usage_type']) === 'metered',
        ),
      )
      .map(one => idIn(one['customer'])),
  )
  const summaries = [...metered].flatMap(customer =>
    (found.get('meter') ?? []).map(idIn).map(meter => ({
      kind: 'meter_event_summary',
      path: `v1/billing/meters/${encodeURIComponent(meter)}/event_summaries`,
      query: { limit, customer, ...times, value_grouping_window: 'hour' },
      told: { customer },
    })),
  )
  const lines = (found.get('invoice') ?? [])
    .filter(invoice => objectIn(invoice['lines'])['has_more'] === true)
    .map(idIn)
    .map(invoice => ({
      kind: 'line_item',
      path: `v1/invoices/${encodeURIComponent(invoice)}/lines`,
      query: { limit },
      told: { invoice },
    }))
  return [...summaries, ...lines]
}
