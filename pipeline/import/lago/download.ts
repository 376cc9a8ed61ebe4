// How Lago's API is read: pages by `page` and `meta.next_page`. Invoices are listed without their fees, which have a list of
// their own.

import { formatInstant } from '../../../schemas/time.js'
import type { DownloadPlan, ListRequest } from '../api/download-plan.js'
import type { ForeignExport } from '../export-files.js'
import { listIn, objectIn } from '../fields.js'
import type { Period } from '../imported.js'

const perPage = '100'
const monthNs = 35n * 86_400n * 1_000_000_000n

export const lagoDownload: DownloadPlan = {
  stages: [lists],
  pageOf(answer, { kind }, query) {
    const body = objectIn(answer)
    const held = body[`${kind}s`]
    if (!Array.isArray(held)) return undefined
    const next = objectIn(body['meta'])['next_page']
    return {
      objects: listIn(held),
      next: typeof next === 'number' ? { ...query, page: String(next) } : undefined,
    }
  },
}

function lists(_found: ForeignExport, { fromNs, untilNs }: Period): ListRequest[] {
  const list = (kind: string, query: Readonly<Record<string, string>> = {}): ListRequest => ({
    kind,
    path: `api/v1/${kind}s`,
    query: { per_page: perPage, page: '1', ...query },
  })
  const [from, until] = [formatInstant(fromNs), formatInstant(untilNs + monthNs)]
  const days = { issuing_date_from: from.slice(0, 10), issuing_date_to: until.slice(0, 10) }
  return [
    list('customer'),
    list('billable_metric'),
    list('plan'),
    ...['active', 'terminated', 'pending', 'canceled'].map(status => ({
      ...list('subscription', { 'status[]': status }),
      told: { status },
    })),
    list('event', { timestamp_from: from, timestamp_to: until }),
    list('invoice', days),
    list('fee', { created_at_from: from, created_at_to: until }),
  ]
}
