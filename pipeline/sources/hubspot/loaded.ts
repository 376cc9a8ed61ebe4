// What a source of kind `hubspot` verifies and maps with. A request has up to 100 events; each is an arrival of its own.

import { hash } from 'node:crypto'
import { decodeUtf8, isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { scalarText } from '../../../schemas/json/scalar-text.js'
import { readQuoteMapping } from '../quotes/quote-mapping.js'
import type { QuoteRules } from '../quotes/quote-rules.js'
import { quoteTests } from '../quotes/quote-tests.js'
import type { ArrivalDraft, Loaded } from '../source-kind.js'
import { mapHubspot } from './map-hubspot.js'
import { signatureRefusal } from './signature.js'
import { splitArray } from './split-body.js'

const eventsMost = 1_000

export const loadedHubspot: Loaded<QuoteRules> = {
  verify(request, secrets, nowMs, settings) {
    const code = signatureRefusal(request, String(settings['public_url']), secrets, nowMs)
    if (code !== undefined) return { kind: 'refused', code }
    const parts = splitArray(request.body)
    const isUsual = parts !== undefined && parts.length > 0 && parts.length <= eventsMost
    return { kind: 'proven', arrivals: (isUsual ? parts : [request.body]).map(draftOf) }
  },
  map: mapHubspot,
  readMapping: readQuoteMapping,
  tests: quoteTests,
}

/** `eventId` alone is not promised to be one event's. */
function draftOf(bytes: Buffer): ArrivalDraft {
  const text = decodeUtf8(bytes)
  const json = text === undefined ? undefined : parseJson(text)
  const event = json?.kind === 'ok' && isRecord(json.value) ? json.value : {}
  const key = ['eventId', 'subscriptionId', 'objectId', 'occurredAt'].map(name => scalarText(event[name]))
  const isKeyed = key.every(one => typeof one === 'string' && /^\d{1,30}$/.test(one))
  const occurredAt = event['occurredAt']
  const isTime = typeof occurredAt === 'number' && Number.isSafeInteger(occurredAt) && occurredAt > 0
  return {
    id: isKeyed ? key.join('/') : `sha256:${hash('sha256', bytes, 'hex')}`,
    type: typeof event['subscriptionType'] === 'string' ? event['subscriptionType'].slice(0, 200) : '',
    ...(isTime && occurredAt < 7e12 ? { occurredAtMs: occurredAt } : {}),
    bytes,
  }
}
