// What a source of kind `stripe` verifies and maps with. The signature is checked by Stripe's own library.

import { isUtf8 } from 'node:buffer'
import { hash } from 'node:crypto'
import Stripe from 'stripe'
import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { secondsOf, textOf } from '../map/object-fields.js'
import type { ArrivalDraft, Loaded, SourceSecrets, Verified, WebhookRequest } from '../source-kind.js'
import { mapStripe } from './map-stripe.js'

const toleranceMs = 300_000
/** The library reads the clock for the age of a signature; it is judged here instead. */
const anyAge = Number.MAX_SAFE_INTEGER
const maxIdLength = 200

export const loadedStripe: Loaded<undefined> = { verify, map: mapStripe }

function verify({ headers, body }: WebhookRequest, { signing }: SourceSecrets, nowMs: number): Verified {
  const header = headers['stripe-signature']
  if (header === undefined || header === '') return { kind: 'refused', code: 'signature_missing' }
  // The library makes a text of the bytes before it signs: bytes that are no UTF-8 would pass for others.
  if (!isUtf8(body) || !signing.some(secret => isSigned(body, header, secret)))
    return { kind: 'refused', code: 'signature_invalid' }
  const sentAtMs = Number(/(?:^|,)t=(\d{1,12})(?:,|$)/.exec(header)?.[1] ?? 'NaN') * 1000
  if (!(Math.abs(nowMs - sentAtMs) <= toleranceMs)) return { kind: 'refused', code: 'signature_too_old' }
  return { kind: 'proven', arrivals: [draftOf(body)] }
}

function isSigned(body: Buffer, header: string, secret: string): boolean {
  try {
    return Stripe.webhooks.signature?.verifyHeader(body, header, secret, anyAge) === true
  } catch {
    return false
  }
}

export function draftOf(body: Buffer): ArrivalDraft {
  const text = decodeUtf8(body)
  const json = text === undefined ? undefined : parseJson(text)
  const event = json?.kind === 'ok' && isRecord(json.value) ? json.value : {}
  const id = textOf(event['id'])
  const occurredAtMs = createdMs(event['created'])
  return {
    id: id !== '' && id.length <= maxIdLength ? id : `sha256:${hash('sha256', body, 'hex')}`,
    type: textOf(event['type']).slice(0, maxIdLength),
    ...(occurredAtMs === undefined ? {} : { occurredAtMs }),
    bytes: body,
  }
}

/** Seconds in a snapshot event, RFC 3339 in a thin one. */
export function createdMs(created: unknown): number | undefined {
  const seconds = secondsOf(created)
  if (seconds !== undefined) return seconds * 1000
  const ms = Date.parse(textOf(created))
  return ms >= 0 && ms < 7e12 ? ms : undefined
}
