// Turns a delivery that its receiver refused into a record to set aside (refused-records.ts), and back.
// Invariant: what is set aside takes no more room than the record had in its stream, else the broker would not take it, and the
// connection would stand still because of it. So a large one is packed.

import { gunzipSync, gzipSync } from 'node:zlib'
import { z } from 'zod'
import { type ChangedDelivery, type Delivery, deliverySchema } from '../../schemas/billing/delivery.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { RefusedRecord } from '../../sinks/sink.js'

export type RefusedDelivery = RefusedRecord

/** The delivery with all that is needed to send it later. */
const keptSchema = deliverySchema.extend({
  recorded_at: z.string(),
  document: z.record(z.string(), z.unknown()),
  source_sequence: z.int(),
  after: z.string().optional(),
})

const maxContentLength = 64 * 1024
/** Above it the bytes are packed; base64 alone makes a third more of them. */
const packedFrom = 64 * 1024
const packedMark = 'gzip:'

interface Refused {
  readonly delivery: Delivery
  readonly record: ConnectorRecord
  readonly sourceSequence: number
}

export function refusedDelivery(
  { delivery, record, sourceSequence }: Refused,
  { code, detail }: { readonly code: string; readonly detail: string },
): RefusedDelivery {
  const kept = {
    ...delivery,
    recorded_at: record.recordedAt,
    document: record.document,
    source_sequence: sourceSequence,
    ...(record.after === undefined ? {} : { after: record.after }),
  }
  return {
    name: delivery.delivery_id,
    sequence: sourceSequence,
    table: 'deliveries',
    code,
    detail,
    content: JSON.stringify(record.document).slice(0, maxContentLength),
    bytes: bytesOf(JSON.stringify(kept)),
    token: delivery.delivery_id,
  }
}

/** Undefined when the record is not a delivery, such as a message that made no record. */
export function reopenedDelivery({ table, bytes }: RefusedRecord): ChangedDelivery | undefined {
  if (table !== 'deliveries' || bytes === '') return undefined
  return keptSchema.parse(JSON.parse(textOf(bytes)))
}

function bytesOf(text: string): string {
  const plain = Buffer.from(text)
  if (plain.byteLength < packedFrom) return plain.toString('base64')
  return `${packedMark}${gzipSync(plain).toString('base64')}`
}

function textOf(bytes: string): string {
  if (!bytes.startsWith(packedMark)) return Buffer.from(bytes, 'base64').toString('utf8')
  return gunzipSync(Buffer.from(bytes.slice(packedMark.length), 'base64')).toString('utf8')
}
