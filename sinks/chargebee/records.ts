// From a line of a billing batch to a usage of Chargebee.
// Invariants:
// 1. The same record under the same mapping gives the same usage; our key is its id.
// 2. Chargebee keeps one usage for each subscription, item price and second. So the second follows from the key, within the
//    last hour of the service period (the first hour where the line is billed in advance).

import { fnv1a32 } from '../../schemas/identifiers.js'
import { type BatchLine, invalidRecord, readBatchLine, wordsOfLine } from '../batch-line-record.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'
import type { RecordMapping } from '../mapping/record-mapping.js'
import type { ChargebeeSettings } from './config.js'

const longestNote = 500
const hour = 3_600

export interface UsageParams {
  readonly id: string
  readonly item_price_id: string
  readonly quantity: string
  readonly usage_date: number
  readonly note: string
}

type MadeUsage =
  | { readonly kind: 'ok'; readonly subscription: string; readonly usage: UsageParams }
  | PutOutcome

export function usageOf(
  record: ConnectorRecord,
  mapping: RecordMapping,
  { quantity: which }: Pick<ChargebeeSettings, 'quantity'>,
  connection: string,
): MadeUsage {
  const read = readBatchLine(record)
  if (read.kind !== 'ok') return read
  const quantity = which === 'amount' ? String(read.minorAmount) : read.quantity
  if (quantity === '0' || quantity.startsWith('-'))
    return invalidRecord(
      `Chargebee takes no usage of ${quantity}: correct the usage, or credit the customer, there by hand`,
    )
  const subscription = mapping.value('subscription')
  const usage: UsageParams = {
    id: record.key,
    item_price_id: mapping.value('item_price'),
    quantity,
    usage_date: secondOf(record.key, read),
    note: wordsOfLine(read, longestNote, `${notePrefix(connection)} ${read.date} `),
  }
  return mapping.refusal() ?? { kind: 'ok', subscription, usage }
}

/** By it and the date after it our usages are known among all. */
export function notePrefix(connection: string): string {
  return `Weir ${connection}`
}

function secondOf(key: string, { line, fromSeconds, lastSecond }: BatchLine): number {
  const offset = fnv1a32(key) % Math.min(hour, lastSecond - fromSeconds + 1) // invariant 2
  return line.timing === 'in_advance' ? fromSeconds + offset : lastSecond - offset
}
