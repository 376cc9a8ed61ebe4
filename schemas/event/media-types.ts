// Every media type and content encoding that Weir reads or writes, and what form the events of such a body have.
// The only place that tells them apart; who needs one names it from here.

export const jsonType = 'application/json'
export const ndjsonType = 'application/x-ndjson'
export const cloudEventType = 'application/cloudevents+json'
export const cloudEventsType = 'application/cloudevents-batch+json'
/** A batch of usage in Arrow. */
export const usageBatchType = 'application/vnd.apache.arrow.stream'
export const problemType = 'application/problem+json'

/** `json`: one value, an object or an array. `lines`: one on each line. `detect`: whichever of both the text shows. */
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

/** What a body of events may be. */
export const eventTypes: readonly string[] = [...forms.keys()]

/** Undefined: such a body is not taken. Without a content type (a file, a NATS message) the text shows the form. */
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

/** In lower case; without a charset it is UTF-8. */
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
