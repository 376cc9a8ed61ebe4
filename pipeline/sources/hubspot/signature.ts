// The signature of HubSpot's webhooks, version 3: base64 of HMAC-SHA256 with the app's client secret over method, address, body
// and timestamp (developers.hubspot.com, "Validating requests").

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Refusal, SourceSecrets, WebhookRequest } from '../source-kind.js'

export const signatureHeader = 'x-hubspot-signature-v3'
export const timestampHeader = 'x-hubspot-request-timestamp'
const toleranceMs = 300_000

/** Undefined: it is signed. */
export function signatureRefusal(
  { headers, body }: WebhookRequest,
  url: string,
  { signing }: SourceSecrets,
  nowMs: number,
): Refusal | undefined {
  const [given, timestamp] = [headers[signatureHeader] ?? '', headers[timestampHeader] ?? '']
  if (given === '' || timestamp === '') return 'signature_missing'
  const bytes = Buffer.from(given, 'base64')
  const isSigned = signing.some(secret => {
    const wanted = signatureOf(secret, url, body, timestamp)
    return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
  })
  if (!isSigned) return 'signature_invalid'
  const sentAtMs = /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : Number.NaN
  return Math.abs(nowMs - sentAtMs) <= toleranceMs ? undefined : 'signature_too_old'
}

export function signatureOf(secret: string, url: string, body: Uint8Array, timestamp: string): Buffer {
  return createHmac('sha256', secret).update(`POST${url}`).update(body).update(timestamp).digest()
}
