// What a source of kind `avatax` verifies and maps with.
// Invariant: a request that bears a signature is judged by it, wherever there is a secret for it.

import { hash } from 'node:crypto'
import { basicRefusal } from '../basic-proof.js'
import { jsonObjectOf, textOf } from '../map/object-fields.js'
import type { ArrivalDraft, Loaded, SourceSecrets, Verified, WebhookRequest } from '../source-kind.js'
import { proveStandard } from '../standard/signature.js'
import { documentOf, modifiedMsOf } from './document.js'
import { mapAvatax } from './map-avatax.js'

export const loadedAvatax: Loaded<undefined> = { verify, map: mapAvatax }

function verify(request: WebhookRequest, secrets: SourceSecrets, nowMs: number): Verified {
  if (request.headers['webhook-signature'] && secrets.signing.length > 0) {
    const proof = proveStandard(request, secrets, nowMs)
    return proof.kind === 'refused' ? proof : { kind: 'proven', arrivals: [draftOf(request.body)] }
  }
  const code = basicRefusal(request, secrets)
  return code === undefined
    ? { kind: 'proven', arrivals: [draftOf(request.body)] }
    : { kind: 'refused', code }
}

/** What AvaTax answered has no id of an event: it is named by the document, its state and its content. */
export function draftOf(bytes: Uint8Array): ArrivalDraft {
  const body = jsonObjectOf(bytes)
  const digest = hash('sha256', bytes, 'hex')
  if (body === undefined) return { id: `sha256:${digest}`, type: '', bytes }
  const document = documentOf(body)
  const modifiedMs = modifiedMsOf(body)
  const status = body['error'] === undefined ? textOf(body['status']) : 'error'
  return {
    id:
      document === ''
        ? `sha256:${digest}`
        : `${document}@${modifiedMs ?? ''}/${digest.slice(0, 16)}`.slice(0, 200),
    type: status.slice(0, 100),
    ...(modifiedMs === undefined ? {} : { occurredAtMs: modifiedMs }),
    bytes,
  }
}
