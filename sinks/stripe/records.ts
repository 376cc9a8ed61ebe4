// From a line of a billing batch to the parameters of an invoice item or of a meter event.
// Invariant: the same record under the same mapping gives the same parameters; our key is in the metadata, or is the identifier.

import type { Stripe } from 'stripe'
import { invalidRecord, readBatchLine, wordsOfLine } from '../batch-line-record.js'
import type { ConnectorRecord, Place, Placed, PutOutcome } from '../connector.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import { stripeAmount } from './amount.js'
import type { StripeSettings } from './config.js'

/** Names of our metadata: at most 40 characters, and values of at most 500. */
export const keyName = 'weir_key'
export const dateName = 'weir_date'
export const connectionName = 'weir_connection'
export const correlationName = 'weir_correlation'

type Made<T> = { readonly kind: 'ok'; readonly params: T } | PutOutcome

export function invoiceItemOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  customer: string,
  { discountable, connection }: Pick<StripeSettings, 'discountable'> & { readonly connection: string },
): Made<Stripe.InvoiceItemCreateParams> {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const { line, amount, days, date, fromSeconds, lastSecond } = read
  const theirs = stripeAmount(line.amount_rounded, line.currency)
  if (theirs.kind !== 'ok') return invalidRecord(`${amount} ${line.currency}: ${theirs.why}`)
  const subscription = mapping.optional('subscription')
  const taxCode = mapping.optional('tax_code')
  const taxBehavior = mapping.optional('tax_behavior') as 'inclusive' | undefined
  const params: Stripe.InvoiceItemCreateParams = {
    customer,
    amount: theirs.amount,
    currency: line.currency.toLowerCase(),
    description: mapping.optional('description') ?? wordsOfLine(read, 500),
    discountable,
    period: { start: fromSeconds, end: lastSecond },
    ...(subscription === undefined ? {} : { subscription }),
    ...(taxCode === undefined ? {} : { tax_code: taxCode }),
    ...(taxBehavior === undefined ? {} : { tax_behavior: taxBehavior }),
    metadata: {
      [keyName]: record.key,
      [connectionName]: connection,
      [dateName]: date,
      weir_days: `${days.first}/${days.last}`,
      weir_batch: line.batch_id,
      weir_charge: line.charge_id,
      weir_subscription: line.subscription_id,
      ...(line.correlation_id === '' ? {} : { [correlationName]: line.correlation_id }),
      ...(line.corrects === undefined ? {} : { weir_corrects: line.corrects }),
    },
  }
  return mapping.refusal() ?? { kind: 'ok', params }
}

/** Whose usage of which meter a line is there. */
export function meterPlace(record: ConnectorRecord, mapping: RecordMapping): Placed {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const { line } = read
  if (line.meter === '')
    return {
      kind: 'not_for_receiver',
      code: 'no_usage',
      detail: `the line of price ${line.price} has no meter, so it is no meter event: Stripe bills it by a price of its own`,
    }
  const place = { event_name: mapping.value('event_name'), customer: mapping.customer() }
  return mapping.refusal() ?? { kind: 'placed', place }
}

export function meterEventOf(
  record: ConnectorRecord,
  { event_name = '', customer = '' }: Place,
  { payload }: Pick<StripeSettings, 'payload'>,
): Made<Stripe.Billing.MeterEventCreateParams> {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const { quantity, lastSecond } = read
  return {
    kind: 'ok',
    params: {
      event_name,
      identifier: record.key,
      timestamp: lastSecond,
      payload: { [payload.customer]: customer, [payload.value]: quantity },
    },
  }
}
