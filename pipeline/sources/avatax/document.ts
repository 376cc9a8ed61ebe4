// Which document of AvaTax something is about, and when it became as it is. A document is one by company, type and code.

import { msOf, parseInstant } from '../../../schemas/time.js'
import { type ForeignObject, objectIn, textOf } from '../map/object-fields.js'

/** `SalesInvoice/INV-1`; '' where it has no code. */
export function documentOf(body: ForeignObject): string {
  const asked = objectIn(body['request'])
  const code = textOf(body['code']) || textOf(asked['code'])
  const type = textOf(body['type']) || textOf(asked['type']) || 'SalesInvoice'
  return code === '' || code.length > 50 || !/^[A-Za-z]{1,40}$/.test(type) ? '' : `${type}/${code}`
}

/** AvaTax writes instants in UTC, without an offset. */
export function modifiedMsOf(body: ForeignObject): number | undefined {
  const text = textOf(body['modifiedDate']) || textOf(body['at'])
  const instant = parseInstant(/(?:Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`)
  return instant === undefined ? undefined : msOf(instant)
}
