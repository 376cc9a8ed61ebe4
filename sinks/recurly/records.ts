// From a line of a billing batch to a usage record of Recurly.
// Invariant: the same record under the same mapping gives the same body; our key is its merchant tag.

import { type ExactNumber, numberOf } from '../../schemas/money/exact-number.js'
import { formatInstantMs } from '../../schemas/time.js'
import { invalidRecord, readBatchLine } from '../batch-line-record.js'
import type { ConnectorRecord, Place, Placed, PutOutcome } from '../connector.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { RecurlySettings } from './config.js'

/** Where the usage of a record belongs, and when it happened: what a look-up needs too. */
export interface UsagePlace {
  /** Of the usage records of one add-on of one subscription. */
  readonly path: string
  readonly usageTimestamp: string
}

export interface UsageBody {
  readonly merchant_tag: string
  /** Written with all its digits. */
  readonly amount: number | ExactNumber
  readonly recording_timestamp: string
  readonly usage_timestamp: string
}

export function placed(record: ConnectorRecord, mapping: RecordMapping): Placed {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const [subscription, addOn] = [mapping.value('subscription'), mapping.value('add_on')]
  const seconds = read.line.timing === 'in_advance' ? read.fromSeconds : read.lastSecond
  return (
    mapping.refusal() ?? {
      kind: 'placed',
      place: {
        path: `/subscriptions/${encodeURIComponent(subscription)}/add_ons/${encodeURIComponent(addOn)}/usage`,
        usage_timestamp: formatInstantMs(seconds * 1_000),
      },
    }
  )
}

export function usagePlaceOf({ path = '', usage_timestamp: usageTimestamp = '' }: Place): UsagePlace {
  return { path, usageTimestamp }
}

export function usageOf(
  record: ConnectorRecord,
  { usageTimestamp }: UsagePlace,
  { quantity: which, decimals }: Pick<RecurlySettings, 'quantity' | 'decimals'>,
): { readonly kind: 'ok'; readonly body: UsageBody } | PutOutcome {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const amount = which === 'amount' ? String(read.minorAmount) : read.quantity
  if ((amount.split('.')[1] ?? '').length > decimals)
    return invalidRecord(
      `the site keeps ${decimals} decimals of a usage, and ${amount} has more: set decimals where it has decimal quantities`,
    )
  return {
    kind: 'ok',
    body: {
      merchant_tag: record.key,
      amount: numberOf(amount),
      recording_timestamp: record.recordedAt,
      usage_timestamp: usageTimestamp,
    },
  }
}
