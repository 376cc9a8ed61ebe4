// Brings a message to the partition of its customer, when the broker cannot compute it from the subject: an id of several
// tokens, or one with characters that a token has to escape.
//
// Invariants:
// 1. Nothing but the place changes: the bytes and the producer's headers stay, and the time of arrival is the one at which
//    the first stream stored the message (`arrivalOf`).
// 2. One name per message: within its window of duplicates the broker stores the message once, however often it is placed.
//    After that the identity of the events tells that they are the same.
// 3. A producer cannot forge the time: only messages under `natsSubjects.placed` have one, and no producer reaches that.

import { JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { customerOfSubject, partitionOf } from '../../schemas/identifiers.js'
import type { MessageHead } from './bulk-transport.js'
import { natsSubjects } from './topology.js'

export interface MessageToPlace {
  readonly root: 'metering' | 'lifecycle'
  readonly partition: number
  /** The stream that holds the message now, and its sequence there. */
  readonly stream: string
  readonly seq: number
  readonly arrivedAtMs: number
  readonly headers: Pick<MessageHead, 'names' | 'values'>
  readonly bytes: Uint8Array
}

export type PlaceOutcome =
  | { readonly kind: 'placed' }
  /** The broker, or the stream, takes no message of this size. */
  | { readonly kind: 'too_large' }
  | { readonly kind: 'again'; readonly code: string; readonly detail: string }

const arrivalHeader = 'Weir-Arrived-At'
/** JetStream's error when a message exceeds the stream's `max_msg_size`. */
const exceedsMessageSize = 10054
const publishTimeoutMs = 5_000
/** A token of a subject that is a customer id as it stands, and names Weir's own lanes too. */
const plainToken = /^[A-Za-z0-9_-]+$/

/**
 * The partition that a stored message belongs to; undefined: the one that it is in. `natsSubject` is
 * `<root>.<partition>.<token>`.
 */
export function otherPartitionOf(natsSubject: string, partitions: number): number | undefined {
  const at = natsSubject.indexOf('.', natsSubject.indexOf('.') + 1) + 1
  const token = natsSubject.slice(at)
  if (plainToken.test(token) || token.includes('.')) return undefined
  const partition = partitionOf(customerOfSubject(token), partitions)
  return natsSubject.slice(0, at).endsWith(`.${partition}.`) ? undefined : partition
}

/** When the message came to its first stream; undefined: when it came to this one. */
export function arrivalOf(natsSubject: string, head: Pick<MessageHead, 'get'>): number | undefined {
  if (!natsSubject.endsWith('.weir.placed')) return undefined // invariant 3
  const arrivedAtMs = Number(head.get(arrivalHeader))
  return Number.isSafeInteger(arrivedAtMs) && arrivedAtMs > 0 ? arrivedAtMs : undefined
}

export interface PlaceAccess {
  readonly nc: NatsConnection
  readonly js: JetStreamClient
}

export async function placeMessage({ nc, js }: PlaceAccess, message: MessageToPlace): Promise<PlaceOutcome> {
  const made = headersOf(message)
  if (nc.info === undefined)
    return { kind: 'again', code: 'broker_unavailable', detail: 'there is no connection' }
  if (message.bytes.length + lengthOf(made) > nc.info.max_payload) return { kind: 'too_large' }
  try {
    await js.publish(natsSubjects.placed(message.root, message.partition), message.bytes, {
      headers: made,
      msgID: `weir:${message.stream}:${message.seq}`, // invariant 2
      timeout: publishTimeoutMs,
    })
    return { kind: 'placed' }
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === exceedsMessageSize) return { kind: 'too_large' }
    const code = error instanceof JetStreamApiError ? `jetstream_${error.code}` : 'broker_unavailable'
    return { kind: 'again', code, detail: error instanceof Error ? error.message : String(error) }
  }
}

/** The producer's headers without those that order the broker something, which were for the first stream. */
function headersOf({ headers: sent, arrivedAtMs }: MessageToPlace): MsgHdrs {
  const made = headers()
  for (const name of sent.names()) {
    if (/^(?:nats|weir)-/i.test(name)) continue
    for (const value of sent.values(name)) made.append(name, value)
  }
  made.set(arrivalHeader, String(arrivedAtMs))
  return made
}

/** A bound of the bytes of the headers, with those that the client adds. */
function lengthOf(made: MsgHdrs): number {
  let length = 128
  for (const [name, values] of made) {
    for (const value of values) length += Buffer.byteLength(name) + Buffer.byteLength(value) + 4
  }
  return length
}
