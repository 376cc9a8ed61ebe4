// Turns a record into a signed request of Standard Webhooks (https://www.standardwebhooks.com, version 1).
// Invariants: the body of a record has the same bytes at every attempt; `webhook-id` is our key, so that the
// receiver recognises a repetition; the body contains the key too.

import { createHmac } from 'node:crypto'
import { jsonType } from '../../schemas/event/media-types.js'
import type { ConnectorRecord } from '../connector.js'
import type { HttpRequest } from '../http/request.js'

export function requestOf(
  record: ConnectorRecord,
  url: string,
  keys: readonly Uint8Array[],
  nowMs: number,
): HttpRequest {
  const body = bodyOf(record)
  const timestamp = String(Math.floor(nowMs / 1_000))
  const headers = {
    'content-type': jsonType,
    'user-agent': 'weir',
    'webhook-id': record.key,
    'webhook-timestamp': timestamp,
    'webhook-signature': keys.map(key => signatureOf(key, record.key, timestamp, body)).join(' '),
  }
  return { method: 'POST', url, headers, body }
}

export function signatureOf(key: Uint8Array, id: string, timestamp: string, body: string): string {
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}

/** `{type, timestamp, key, data}`: the type is `weir.` and the kind of the record, `data` the record itself. */
function bodyOf({ kind, key, recordedAt, document }: ConnectorRecord): string {
  return JSON.stringify({ type: `weir.${kind}`, timestamp: recordedAt, key, data: document })
}
