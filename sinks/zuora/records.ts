// From a line of a billing batch to a usage record of Zuora: its quantity on its day, with our key in it.
// Invariants: the same record under the same mapping gives the same body; a quantity keeps all its digits.

import { Temporal } from 'temporal-polyfill'
import { invalidRecord, readBatchLine, wordsOfLine } from '../batch-line-record.js'
import type { ConnectorRecord, Placed, PutOutcome } from '../connector.js'
import { jsonNumber } from '../journal-record.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { ZuoraSettings } from './config.js'

/** Decimals of a quantity, and how many characters a description takes. */
const quantityDecimals = 9
const longestDescription = 255

export type ZuoraUsage = { readonly kind: 'ok'; readonly body: object } | PutOutcome

export function usageOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  account: string,
  settings: ZuoraSettings,
): ZuoraUsage {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const { quantity, date } = read
  if ((quantity.split('.')[1] ?? '').length > quantityDecimals)
    return invalidRecord(`Zuora takes ${quantityDecimals} decimals of a quantity, and this is ${quantity}`)
  const subscription = mapping.optional('subscription')
  const charge = mapping.optional('charge')
  const body = {
    AccountNumber: account,
    ...(subscription === undefined ? {} : { SubscriptionNumber: subscription }),
    ...(charge === undefined ? {} : { ChargeNumber: charge }),
    UOM: mapping.value('uom'),
    Quantity: jsonNumber(quantity),
    StartDateTime: noonOf(date, settings.time_zone),
    Description: wordsOfLine(read, longestDescription),
    [settings.key_field]: keyText(record, settings),
  }
  return mapping.refusal() ?? { kind: 'ok', body }
}

/** Where the usage record of a line is found again. */
export function usagePlace(record: ConnectorRecord, mapping: RecordMapping, settings: ZuoraSettings): Placed {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const { meter, price } = read.line
  if (meter === '')
    return {
      kind: 'not_for_receiver',
      code: 'no_usage',
      detail: `the line of price ${price} has no meter, so it is no usage: Zuora bills it by its own charge`,
    }
  const account = mapping.customer()
  const place = { account, key_field: settings.key_field, key_text: keyText(record, settings) }
  return mapping.refusal() ?? { kind: 'placed', place }
}

export function keyText(
  { key }: Pick<ConnectorRecord, 'key'>,
  { prefix }: Pick<ZuoraSettings, 'prefix'>,
): string {
  return `${prefix}${key}`
}

/** Noon of a day, `days` later, in the tenant's time zone, as Zuora writes times. */
export function noonOf(date: string, timeZone: string, days = 0): string {
  const noon = Temporal.PlainDate.from(date).add({ days }).toZonedDateTime({ timeZone, plainTime: '12:00' })
  return noon.toString({ timeZoneName: 'never', fractionalSecondDigits: 3 })
}

/** The day of a time of Zuora in the tenant's time zone; undefined when it is none. */
export function dayOf(time: string, timeZone: string): string | undefined {
  const atMs = Date.parse(time)
  if (Number.isNaN(atMs)) return undefined
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone).toPlainDate().toString()
}
