// The record of one feed in the bucket `weir_sinks`, and its JSON. Recovery needs `position` and `intent`;
// `owner` is the process whose writes count. What holds a feed back for people is no part of it (flow-gate.ts);
// `heldBy` makes it stand still for a moment, and any process may set it.

import { z } from 'zod'
import type { Apart } from '../../sinks/sink.js'
import type { Head } from '../ledger/partition-commits.js'

export interface Intent {
  readonly from: number
  readonly to: number
  readonly token: string
  /** Parts of the range that the sink refused because of their content; taken apart, also after a crash. */
  readonly apart?: readonly Apart[]
}

export interface DeliveryRecord {
  /** The last stream sequence whose messages the sink has. */
  readonly position: number
  /** The range that the sink may have applied in part; it is applied next, unchanged. */
  readonly intent: Intent | null
  /** The process that delivers; empty when it has released the feed. */
  readonly owner: string
  /** When the stream was created: positions mean nothing in another stream of the same name. */
  readonly streamCreated: string
  /** For feeds of LEDGER: the newest checkpoint of each partition up to the position. */
  readonly heads?: Heads
  /** The job that needs the feed to begin no further range. */
  readonly heldBy?: string
}

export type Heads = Readonly<Record<string, Head>>

const count = z.int().nonnegative()
const headsSchema = z.record(z.string(), z.object({ seq: count, epoch: count, commit: count }))

const apartSchema = z.array(z.object({ name: z.string(), code: z.string(), detail: z.string() }))

const encoder = new TextEncoder()

export function encodeRecord(record: DeliveryRecord): Uint8Array {
  const { position, intent, owner, streamCreated, heads, heldBy } = record
  const fields = { position, intent, owner, stream_created: streamCreated, heads, held_by: heldBy }
  return encoder.encode(JSON.stringify(fields))
}

/** Undefined when the bytes are not a delivery record. */
export function decodeRecord(bytes: Uint8Array): DeliveryRecord | undefined {
  let json: unknown
  try {
    json = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
  if (typeof json !== 'object' || json === null) return undefined
  const fields = json as Record<string, unknown>
  const { position, owner, stream_created: streamCreated, held_by: heldBy } = fields
  const intent = decodeIntent(fields['intent'])
  if (!isSequence(position) || intent === undefined) return undefined
  if (typeof owner !== 'string' || typeof streamCreated !== 'string') return undefined
  const record = { position, intent, owner, streamCreated, ...(typeof heldBy === 'string' ? { heldBy } : {}) }
  if (fields['heads'] === undefined) return record
  const heads = headsSchema.safeParse(fields['heads'])
  return heads.success ? { ...record, heads: heads.data } : undefined
}

function decodeIntent(value: unknown): Intent | null | undefined {
  if (value === null) return null
  if (typeof value !== 'object') return undefined
  const { from, to, token, apart } = value as Record<string, unknown>
  if (!isSequence(from) || !isSequence(to) || typeof token !== 'string') return undefined
  if (apart === undefined) return { from, to, token }
  const parsed = apartSchema.safeParse(apart)
  return parsed.success ? { from, to, token, apart: parsed.data } : undefined
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
