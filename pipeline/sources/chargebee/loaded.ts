// What a source of kind `chargebee` verifies and maps with. Chargebee signs nothing: the login of the webhook is the proof.

import { hash } from 'node:crypto'
import { basicRefusal } from '../basic-proof.js'
import { jsonObjectOf, secondsOf, textOf } from '../map/object-fields.js'
import type { ArrivalDraft, Loaded, SourceSecrets, Verified, WebhookRequest } from '../source-kind.js'
import { mapChargebee } from './map-chargebee.js'

const maxIdLength = 180

export const loadedChargebee: Loaded<undefined> = { verify, map: mapChargebee }

function verify(request: WebhookRequest, secrets: SourceSecrets): Verified {
  const code = basicRefusal(request, secrets)
  return code === undefined
    ? { kind: 'proven', arrivals: [draftOfEvent(request.body)] }
    : { kind: 'refused', code }
}

export function draftOfEvent(bytes: Uint8Array): ArrivalDraft {
  const event = jsonObjectOf(bytes) ?? {}
  const id = textOf(event['id'])
  const seconds = secondsOf(event['occurred_at'])
  return {
    id: id !== '' && id.length <= maxIdLength ? id : `sha256:${hash('sha256', bytes, 'hex')}`,
    type: textOf(event['event_type']).slice(0, maxIdLength),
    ...(seconds === undefined ? {} : { occurredAtMs: seconds * 1_000 }),
    bytes,
  }
}
