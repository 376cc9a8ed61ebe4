// What is known of each connection that ever began: which receiver it sends to, in the bucket `weir_sinks` under
// `receiver.<connection>`. So a connection that was given another name is told from a new one.
//
// The name of a connection is for ever: its log, the ids of its deliveries and the marks in the receiver's documents have it. Under
// another name it would begin anew and send everything again.
// Invariants:
// 1. A connection without a log does not begin while a log of the same receiver and the same records belongs to no connection of the
//    configuration, unless its settings say `begins_anew`.
// 2. A connection that has taken records in and has no log any more does not go on: which records are open would be lost.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { recordedPosition } from '../deliver/delivered.js'
import { FeedFailure } from '../deliver/delivery-lease.js'
import { hasDeliveryLog } from '../deliver/delivery-log.js'
import type { ConnectionSettings } from './settings.js'

/** Settings of the kinds that say which receiver it is, and which account there. */
const naming = [
  'url',
  'site',
  'account',
  'realm',
  'company',
  'tenant',
  'client',
  'ledger_id',
  'folder',
  'zuora_entity',
]

const knownSchema = z.object({
  kind: z.string(),
  records: z.string(),
  entity: z.string().optional(),
  receiver: z.record(z.string(), z.string()),
})
type Known = z.output<typeof knownSchema>

const keyOf = (connection: string): string => `receiver.${connection}`

export interface BeginOptions {
  readonly connection: ConnectionSettings
  /** The names of all connections of the configuration. */
  readonly configured: readonly string[]
  /** Of its feed. */
  readonly key: string
  /** The bucket `weir_sinks`. */
  readonly kv: KV
  readonly jsm: JetStreamManager
}

/** Throws a `FeedFailure` when the connection must not begin; else keeps which receiver it has. */
export async function mayBegin({ connection, configured, key, kv, jsm }: BeginOptions): Promise<void> {
  const ours = knownOf(connection)
  if (connection.begins_anew !== true && !(await hasDeliveryLog(jsm, connection.name))) {
    const position = await recordedPosition(kv, key)
    if (position > 0) {
      const detail = `${connection.name} has taken records in up to ${position}, and DELIVERIES has nothing of it: restore it, or set begins_anew: true to go on from there`
      throw new FeedFailure('delivery_log_lost', detail) // invariant 2
    }
    const former = await formerName(ours, configured, kv, jsm)
    if (former !== undefined) {
      const detail = `${connection.name} has the receiver of ${former}, which has a log and is not in the configuration any more: call it ${former} again, or everything is sent once more; where that is wanted, set begins_anew: true`
      throw new FeedFailure('connection_renamed', detail) // invariant 1
    }
  }
  const text = JSON.stringify(ours)
  const entry = await kv.get(keyOf(connection.name))
  if (entry === null || entry.string() !== text) await kv.put(keyOf(connection.name), text)
}

function knownOf(connection: ConnectionSettings): Known {
  const { kind, records, entity } = connection
  const settings = connection as unknown as Readonly<Record<string, unknown>>
  const named = naming.flatMap(name => {
    const value = settings[name]
    return value === undefined ? [] : [[name, String(value)] as const]
  })
  return { kind, records, ...(entity === undefined ? {} : { entity }), receiver: Object.fromEntries(named) }
}

async function formerName(
  ours: Known,
  configured: readonly string[],
  kv: KV,
  jsm: JetStreamManager,
): Promise<string | undefined> {
  for await (const key of await kv.keys(keyOf('*'))) {
    const name = key.slice(keyOf('').length)
    if (configured.includes(name)) continue
    const entry = await kv.get(key)
    const parsed = entry?.operation === 'PUT' ? knownSchema.safeParse(entry.json()) : undefined
    if (parsed?.success === true && isSame(parsed.data, ours) && (await hasDeliveryLog(jsm, name)))
      return name
  }
  return undefined
}

/** The same receiver would get the same records. */
function isSame(a: Known, b: Known): boolean {
  const shareEntity = a.entity === undefined || b.entity === undefined || a.entity === b.entity
  if (a.kind !== b.kind || a.records !== b.records || !shareEntity) return false
  return JSON.stringify(a.receiver) === JSON.stringify(b.receiver)
}
