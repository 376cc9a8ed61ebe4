// From a transaction of AvaTax, or an answer that refuses it, to `weir.tax.*`: each state told whole, ordered by `modifiedDate`.
//
// | status | becomes |
// |---|---|
// | Committed | committed; adjusted where it is a later version or has a reason for its adjustment |
// | Cancelled | voided |
// | Saved, Posted, Uncommitted, Queued, PendingApproval | pending |
// | Adjusted | ignored: the version that took its place tells the tax |
// | Temporary, orders, purchases, transfers | ignored: no tax of ours is owed by them |
// | an answer with `error` | failed |

import { formatInstantMs } from '../../../schemas/time.js'
import {
  type ForeignObject,
  jsonObjectOf,
  listIn,
  numberText,
  objectIn,
  textOf,
} from '../map/object-fields.js'
import type { Arrival, MapContext, MapOutcome, MappedEvent } from '../source-kind.js'
import { documentOf, modifiedMsOf } from './document.js'
import { taxLinesOf } from './tax-lines.js'

const pending = ['Saved', 'Posted', 'Uncommitted', 'Queued', 'PendingApproval']
const ofSales = ['SalesInvoice', 'ReturnInvoice']

export function mapAvatax(arrival: Arrival, context: MapContext): MapOutcome {
  const body = jsonObjectOf(arrival.bytes)
  if (body === undefined) {
    context.fault('malformed_body', 'The body is no JSON object in UTF-8.')
    return { kind: 'events', events: [] }
  }
  const type = textOf(body['type']) || textOf(objectIn(body['request'])['type']) || 'SalesInvoice'
  if (!ofSales.includes(type)) return { kind: 'ignored', reason: 'no_sale' }
  const company = textOf(objectIn(body['request'])['companyCode'])
  if (company !== '' && company !== context.settings['company_code'])
    return { kind: 'ignored', reason: 'other_company' }
  if (body['error'] !== undefined) return failed(arrival, body, context)
  const status = textOf(body['status'])
  if (status === 'Temporary') return { kind: 'ignored', reason: 'temporary' }
  if (status === 'Adjusted') return { kind: 'ignored', reason: 'superseded' }
  const state = stateOf(status, body)
  if (state === undefined) return { kind: 'ignored', reason: 'status_not_mapped' }
  const atMs = modifiedMsOf(body)
  if (atMs === undefined) context.fault('missing_value', 'modifiedDate: it is no instant.', '/modifiedDate')
  const isInForce = state === 'committed' || state === 'adjusted'
  if (isInForce && body['lines'] === undefined && context.settings['api_key'] !== undefined)
    return { kind: 'fetch', what: { object: 'transaction', id: documentOf(body), changedMs: atMs } }
  const lines = isInForce ? taxLinesOf(body, context) : []
  return told(state, body, atMs ?? 0, context, {
    ...totalsOf(body, isInForce, context),
    document_status: status,
    ...(lines.length === 0 ? {} : { lines }),
  })
}

function stateOf(
  status: string,
  body: ForeignObject,
): 'committed' | 'adjusted' | 'voided' | 'pending' | undefined {
  if (status === 'Cancelled') return 'voided'
  if (pending.includes(status)) return 'pending'
  if (status !== 'Committed') return undefined
  const reason = textOf(body['adjustmentReason'])
  const isAdjusted =
    Number(numberText(body['version']) || '1') > 1 || (reason !== '' && reason !== 'NotAdjusted')
  return isAdjusted ? 'adjusted' : 'committed'
}

function totalsOf(body: ForeignObject, isInForce: boolean, context: MapContext): Record<string, string> {
  const totals = {
    total: numberText(body['totalAmount']),
    total_taxable: numberText(body['totalTaxable']),
    total_exempt: numberText(body['totalExempt']),
    total_tax: numberText(body['totalTax']),
  }
  if (isInForce && totals.total_tax === '')
    context.fault('missing_value', 'totalTax: it is no number.', '/totalTax')
  return Object.fromEntries(Object.entries(totals).filter(([, value]) => value !== ''))
}

/** `{error, request, at}`: what AvaTax answered, what it was asked, and when. */
function failed(arrival: Arrival, body: ForeignObject, context: MapContext): MapOutcome {
  const error = objectIn(body['error'])
  const details = listIn(error['details'])
  const code = textOf(error['code'])
  if (code === '') context.fault('missing_value', 'error.code: there is none.', '/error/code')
  const words = [
    textOf(error['message']),
    ...details.map(one =>
      [numberText(one['number']), textOf(one['message']) || textOf(one['description'])]
        .filter(Boolean)
        .join(' '),
    ),
  ]
  const reason = [...new Set(words.filter(Boolean))].join(' | ').slice(0, 1_000)
  const atMs = modifiedMsOf(body) ?? arrival.occurredAtMs ?? arrival.receivedAtMs
  return told('failed', { ...objectIn(body['request']), ...body }, atMs, context, { code, reason })
}

function told(
  state: string,
  body: ForeignObject,
  atMs: number,
  context: MapContext,
  more: Readonly<Record<string, unknown>>,
): MapOutcome {
  const document = documentOf(body)
  if (document === '') context.fault('missing_value', 'code: the document has none.', '/code')
  const theirs = textOf(body['customerCode']) || textOf(body['customerVendorCode'])
  const customerId = context.id('customer', theirs)
  const currency = textOf(body['currencyCode'])
  const invoice = textOf(body['referenceCode'])
  const event: MappedEvent = {
    ...{
      key: '',
      type: `weir.tax.${state}`,
      subject: customerId,
      time: formatInstantMs(atMs),
      version: atMs,
    },
    data: {
      ...{ tax_id: `${String(context.settings['company_code'])}/${document}`, customer_id: customerId },
      ...(currency === '' ? {} : { currency }),
      ...(invoice === '' ? {} : { invoice_id: invoice }),
      document: document.slice(document.indexOf('/') + 1),
      ...more,
    },
  }
  return { kind: 'events', events: [event] }
}
