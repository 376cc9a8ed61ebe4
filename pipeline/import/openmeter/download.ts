// How OpenMeter's API is read: pages by `page` and `pageSize`, events by `nextCursor`. Subscriptions are listed by customer and
// read one by one, since the lists have no phases.

import { formatInstant } from '../../../schemas/time.js'
import type { DownloadPlan, ListPage, ListRequest } from '../api/download-plan.js'
import type { ForeignExport } from '../export-files.js'
import { listIn, objectIn, textIn, wholeIn } from '../fields.js'
import type { Period } from '../imported.js'

const pageSize = '100'
const monthNs = 35n * 86_400n * 1_000_000_000n

export const openmeterDownload: DownloadPlan = {
  stages: [first, second, third],
  pageOf,
}

function first(_found: ForeignExport, { fromNs, untilNs }: Period): ListRequest[] {
  const list = (kind: string, path: string, query: Readonly<Record<string, string>> = {}): ListRequest => ({
    kind,
    path: `api/v1/${path}`,
    query: { page: '1', pageSize, ...query },
  })
  const [from, until] = [formatInstant(fromNs), formatInstant(untilNs + monthNs)]
  return [
    list('customer', 'customers'),
    list('feature', 'features'),
    list('meter', 'meters'),
    list('plan', 'plans'),
    list('invoice', 'billing/invoices', {
      expand: 'lines',
      periodStartAfter: formatInstant(fromNs - 1_000_000_000n),
      periodStartBefore: until,
    }),
    {
      kind: 'event',
      path: 'api/v2/events',
      query: { limit: pageSize, filter: JSON.stringify({ time: { $gte: from, $lt: until } }) },
    },
  ]
}

function second(found: ForeignExport): ListRequest[] {
  return (found.get('customer') ?? []).map(customer => {
    const id = textIn(customer['id'])
    return {
      kind: 'subscription_id',
      path: `api/v1/customers/${encodeURIComponent(id)}/subscriptions`,
      query: { page: '1', pageSize },
      told: { customerId: id },
    }
  })
}

function third(found: ForeignExport): ListRequest[] {
  return (found.get('subscription_id') ?? []).map(one => {
    const id = textIn(one['id'])
    return {
      kind: 'subscription',
      path: `api/v1/subscriptions/${encodeURIComponent(id)}`,
      query: {},
      told: { id },
    }
  })
}

/** A list that is whole at once, a page by number, a page by cursor, or one object. */
function pageOf(
  answer: unknown,
  request: ListRequest,
  query: Readonly<Record<string, string>>,
): ListPage | undefined {
  if (Array.isArray(answer)) return { objects: listIn(answer), next: undefined }
  const body = objectIn(answer)
  if (request.kind === 'subscription') return { objects: [body], next: undefined }
  if (!Array.isArray(body['items'])) return undefined
  const objects = listIn(body['items'])
  const cursor = textIn(body['nextCursor'])
  if (request.kind === 'event')
    return { objects, next: cursor === '' || objects.length === 0 ? undefined : { ...query, cursor } }
  const [page, total] = [Number(query['page'] ?? '1'), Number(wholeIn(body['totalCount']) ?? '0')]
  const isLast = objects.length === 0 || page * Number(pageSize) >= total
  return { objects, next: isLast ? undefined : { ...query, page: String(page + 1) } }
}
