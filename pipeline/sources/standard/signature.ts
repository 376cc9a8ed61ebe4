// Proves a request by Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`, an HMAC over the three parts.
// The library makes the signature; its age is judged here, since it reads the clock itself.
// Invariant: bytes that are no UTF-8 are refused: the library would sign other bytes than came.

import { isUtf8 } from 'node:buffer'
import { timingSafeEqual } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import type { Refusal, SourceSecrets, WebhookRequest } from '../source-kind.js'

const toleranceMs = 300_000

export type Proof =
  | { readonly kind: 'proven'; readonly id: string; readonly sentAtMs: number }
  | { readonly kind: 'refused'; readonly code: Refusal }

export function proveStandard(
  { headers, body }: Pick<WebhookRequest, 'headers' | 'body'>,
  { signing }: Pick<SourceSecrets, 'signing'>,
  nowMs: number,
): Proof {
  const id = headers['webhook-id']
  const timestamp = headers['webhook-timestamp']
  const given = headers['webhook-signature']
  if (!id || !timestamp || !given) return { kind: 'refused', code: 'signature_missing' }
  if (!/^\d{1,12}$/.test(timestamp) || !isUtf8(body)) return { kind: 'refused', code: 'signature_invalid' }
  const sentAtMs = Number(timestamp) * 1000
  const signatures = given.split(' ').filter(one => one.startsWith('v1,'))
  const isProven = signing.some(secret => isSigned(secret, id, sentAtMs, body, signatures))
  if (!isProven) return { kind: 'refused', code: 'signature_invalid' }
  if (Math.abs(nowMs - sentAtMs) > toleranceMs) return { kind: 'refused', code: 'signature_too_old' }
  return { kind: 'proven', id, sentAtMs }
}

function isSigned(
  secret: string,
  id: string,
  sentAtMs: number,
  body: Buffer,
  signatures: readonly string[],
): boolean {
  let expected: Buffer
  try {
    expected = Buffer.from(new Webhook(secret).sign(id, new Date(sentAtMs), body))
  } catch {
    return false // a secret that is no base64 proves nothing
  }
  return signatures.some(one => {
    const bytes = Buffer.from(one)
    return bytes.length === expected.length && timingSafeEqual(bytes, expected)
  })
}
