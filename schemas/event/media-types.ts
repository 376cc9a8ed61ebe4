// Every media type and content encoding that Weir reads or writes, and the form of the events in such a body.
// No other file spells these names; other files import them.

export const jsonType = 'application/json'
export const ndjsonType = 'application/x-ndjson'
export const cloudEventType = 'application/cloudevents+json'
export const cloudEventsType = 'application/cloudevents-batch+json'
/** The media type of a usage batch in Arrow. */
export const usageBatchType = 'application/vnd.apache.arrow.stream'
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
])

/** The media types that a body of events may have. */
export const eventTypes: readonly string[] = [...forms.keys()]

/** Undefined: such a body is refused. Without a content type (file, NATS message) the text shows the form. */
export function messageFormOf(contentType: string | undefined): MessageForm | undefined {
  if (contentType === undefined) return 'detect'
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
