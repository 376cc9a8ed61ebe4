// Every media type and content encoding that Weir reads or writes, and the form of the events in such a body.
// No other file spells these names; other files import them.

export const jsonType = 'application/json'
export const ndjsonType = 'application/x-ndjson'
export const cloudEventType = 'application/cloudevents+json'
export const cloudEventsType = 'application/cloudevents-batch+json'
/** The media types of a usage batch in Arrow: as a stream, which Weir writes, and as a file (feather). */
export const usageBatchType = 'application/vnd.apache.arrow.stream'
export const usageBatchFileType = 'application/vnd.apache.arrow.file'
export const problemType = 'application/problem+json'

/** `json`: one object or array. `lines`: one value per line. `detect`: the text shows which of both. */
export type TextForm = 'json' | 'lines' | 'detect'
export type MessageForm = TextForm | 'usage_batch'

const forms: ReadonlyMap<string, MessageForm> = new Map([
  [cloudEventType, 'json'],
  [cloudEventsType, 'json'],
  [jsonType, 'detect'],
  [ndjsonType, 'lines'],
  ['application/ndjson', 'lines'],
  ['application/jsonl', 'lines'],
  [usageBatchType, 'usage_batch'],
  [usageBatchFileType, 'usage_batch'],
])

/** The media types that a body of events may have. */
export const eventTypes: readonly string[] = [...forms.keys()]

/**
 * Undefined: such a body is refused. Without a content type (file, NATS message) the first bytes show Arrow,
 * and of everything else the text shows the form.
 */
export function messageFormOf(contentType: string | undefined, body?: Uint8Array): MessageForm | undefined {
  if (contentType === undefined) return isArrow(body) ? 'usage_batch' : 'detect'
  const known = forms.get(contentType)
  if (known !== undefined) return known
  const { type, charset } = mediaTypeOf(contentType)
  const form = forms.get(type)
  return form === 'usage_batch' || charset === 'utf-8' ? form : undefined
}

/** Whether the `data` of an event may be JSON of this type. */
export function isJsonType(type: string): boolean {
  return type === jsonType || type === 'text/json' || type.endsWith('+json')
}

export function isGzip(encoding: string): boolean {
  return /^\s*(?:x-)?gzip\s*$/i.test(encoding)
}

/** The encoding that a message names, or, when it names none, gzip where its first bytes are those of gzip. */
export function encodingOf(contentEncoding: string | undefined, body: Uint8Array): string | undefined {
  return contentEncoding ?? (hasGzipHeader(body) ? 'gzip' : undefined)
}

/** RFC 1952: two magic bytes, and 8 for deflate, its only method. No UTF-8 text begins so. */
function hasGzipHeader(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b && body[2] === 8
}

/**
 * Arrow IPC: each message of a stream begins with the continuation marker, and a file with `ARROW1` and two zeros. No JSON
 * text begins so.
 */
function isArrow(body: Uint8Array | undefined): boolean {
  if (body === undefined || body.length < 8) return false
  const isStream = body[0] === 0xff && body[1] === 0xff && body[2] === 0xff && body[3] === 0xff
  return isStream || (body[0] === 65 && fileMagic.every((byte, at) => body[at] === byte))
}

const fileMagic = [...Buffer.from('ARROW1\0\0', 'latin1')]

export interface MediaType {
  readonly type: string
  readonly charset: string
}

/** The parsed media type, in lower case; the charset is UTF-8 if none is named. */
export function mediaTypeOf(contentType: string): MediaType {
  const [type = '', ...parameters] = contentType.split(';')
  const charset = parameters
    .map(parameter => /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/i.exec(parameter)?.[1])
    .find(value => value !== undefined)
  return { type: type.trim().toLowerCase(), charset: normalCharset(charset ?? 'utf-8') }
}

function normalCharset(charset: string): string {
  const lower = charset.toLowerCase()
  return lower === 'utf8' || lower === 'us-ascii' ? 'utf-8' : lower
}
