// One event of the binary mode of CloudEvents, over HTTP or NATS: attributes in `ce-` headers, `data` as the body.
// Names are read in any case of letters. The rules of an envelope are those of cloud-event.ts.

import { decodeUtf8, parseJson } from '../json/json-text.js'
import { type Parsed, type Rejection, rejected } from '../rejection.js'
import { isJsonType, jsonType, mediaTypeOf } from './media-types.js'

/** By name; a header that came twice has several values. */
export type MessageHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

const prefix = 'ce-'
const telling: ReadonlySet<string> = new Set(['ce-specversion', 'ce-id', 'ce-source', 'ce-type'])

/** Section 3 of both bindings: there are attributes in headers, and the content type is not that of a whole event. */
export function isBinaryMode(headers: MessageHeaders): boolean {
  const names = Object.keys(headers).filter(name => headers[name] !== undefined)
  if (!names.some(name => telling.has(name.toLowerCase()))) return false
  const contentType = names.find(name => name.toLowerCase() === 'content-type')
  const value = contentType === undefined ? undefined : headers[contentType]
  return !/^\s*application\/cloudevents/i.test(String(value ?? ''))
}

/** `raw` of a refused event: its attributes that could be read. */
export type BinaryModeEvent =
  | { readonly kind: 'ok'; readonly value: Record<string, unknown> }
  | { readonly kind: 'rejected'; readonly rejection: Rejection; readonly raw: Record<string, unknown> }

export function binaryModeEvent(headers: MessageHeaders, body: Uint8Array): BinaryModeEvent {
  const attributes = new Map<string, string>()
  let contentType: string | undefined
  let unread: string | undefined
  for (const [name, given] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    const value = typeof given === 'object' && given.length === 1 ? given[0] : given
    if (value === undefined) continue
    if (lower === 'content-type' && typeof value === 'string') contentType = value
    if (!lower.startsWith(prefix)) continue
    const attribute = lower.slice(prefix.length)
    const decoded = typeof value === 'string' && !attributes.has(attribute) ? headerValue(value) : undefined
    if (decoded === undefined) unread = lower
    else attributes.set(attribute, decoded)
  }
  const event: Record<string, unknown> = Object.fromEntries(attributes)
  if (unread !== undefined) {
    const detail = `The header ${unread} is given twice or is not percent-encoded UTF-8.`
    return { ...rejected('invalid_attribute', detail), raw: event }
  }
  if (body.length === 0) return { kind: 'ok', value: event }
  const data = bodyData(contentType ?? event['datacontenttype'] ?? jsonType, body)
  return data.kind === 'ok' ? { kind: 'ok', value: { ...event, data: data.value } } : { ...data, raw: event }
}

function bodyData(contentType: unknown, body: Uint8Array): Parsed<unknown> {
  const media = mediaTypeOf(String(contentType))
  if (!isJsonType(media.type) || media.charset !== 'utf-8') {
    return rejected('unsupported_content_type', `Data of type ${JSON.stringify(contentType)} is not JSON.`)
  }
  const text = decodeUtf8(body)
  if (text === undefined) return rejected('malformed_json', 'The body is not UTF-8.', '/data')
  const data = parseJson(text)
  return data.kind === 'ok'
    ? data
    : rejected('malformed_json', `The body is not JSON: ${data.detail}.`, '/data')
}

/** CloudEvents HTTP binding 1.0.2, section 3.1.3.2: unquotes the value, then percent-decodes it once. */
function headerValue(value: string): string | undefined {
  const trimmed = value.trim()
  const isQuoted = trimmed.length >= 2 && trimmed.startsWith('"') && trimmed.endsWith('"')
  const text = isQuoted ? trimmed.slice(1, -1).replace(/\\(.)/g, '$1') : trimmed
  try {
    return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, decodeURIComponent)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
