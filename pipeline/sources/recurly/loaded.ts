// What a source of kind `recurly` verifies and maps with: JSON is signed (`recurly-signature`), XML comes with a login.
// Invariant: a request that bears a signature is judged by it, wherever there is a secret for it.

import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { basicRefusal } from '../basic-proof.js'
import { jsonObjectOf, msOfInstant, textOf } from '../map/object-fields.js'
import type {
  ArrivalDraft,
  Loaded,
  Refusal,
  SourceSecrets,
  Verified,
  WebhookRequest,
} from '../source-kind.js'
import { mapRecurly } from './map-recurly.js'

export const signatureHeader = 'recurly-signature'
const toleranceMs = 300_000
const maxIdLength = 200

export const loadedRecurly: Loaded<undefined> = { verify, map: mapRecurly }

function verify(request: WebhookRequest, secrets: SourceSecrets, nowMs: number): Verified {
  const code = refusalOf(request, secrets, nowMs)
  return code === undefined
    ? { kind: 'proven', arrivals: [draftOf(request.body)] }
    : { kind: 'refused', code }
}

function refusalOf(request: WebhookRequest, secrets: SourceSecrets, nowMs: number): Refusal | undefined {
  const header = request.headers[signatureHeader]
  if (header !== undefined && header !== '' && secrets.signing.length > 0)
    return signatureRefusal(header, request.body, secrets.signing, nowMs)
  return basicRefusal(request, secrets)
}

/** `<ms>,<hex>[,<hex>…]`: several while a secret is being replaced there. */
function signatureRefusal(
  header: string,
  body: Buffer,
  signing: readonly string[],
  nowMs: number,
): Refusal | undefined {
  const [timestamp = '', ...signatures] = header.split(',').map(part => part.trim())
  if (!/^\d{1,15}$/.test(timestamp)) return 'signature_invalid'
  const given = signatures.slice(0, 10).map(one => Buffer.from(one, 'hex'))
  const isSigned = signing.some(secret => {
    const expected = createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest()
    return given.some(one => one.length === expected.length && timingSafeEqual(one, expected))
  })
  if (!isSigned) return 'signature_invalid'
  return Math.abs(nowMs - Number(timestamp)) <= toleranceMs ? undefined : 'signature_too_old'
}

/** A notification has no id of its own: what happened to which object when, or in XML the body itself. */
function draftOf(body: Buffer): ArrivalDraft {
  const json = jsonObjectOf(body)
  if (json !== undefined) {
    const [object, type, id] = [textOf(json['object_type']), textOf(json['event_type']), textOf(json['id'])]
    const occurredAtMs = msOfInstant(json['event_time'])
    const named = `${object}/${id}/${type}@${textOf(json['event_time'])}`
    const isWhole = object !== '' && id !== '' && occurredAtMs !== undefined && named.length <= maxIdLength
    return {
      id: isWhole ? named : hashOf(body),
      type: `${object}.${type}`.slice(0, maxIdLength),
      ...(occurredAtMs === undefined ? {} : { occurredAtMs }),
      bytes: body,
    }
  }
  const root = /<([a-z_]{1,100})[\s/>]/.exec(body.subarray(0, 1_000).toString('latin1'))?.[1] ?? ''
  return { id: hashOf(body), type: root, bytes: body }
}

function hashOf(body: Buffer): string {
  return `sha256:${hash('sha256', body, 'hex')}`
}
