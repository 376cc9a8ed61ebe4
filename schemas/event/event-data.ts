// The `data` of an event in each of its forms: an object, `data_base64` of a JSON object, or none, which means the
// empty object. Contract section 2. Other files interpret it.
// Invariant: data that is taken can be hashed and stored exactly (Unicode text, bounded depth).

import { decodeUtf8, isRecord, parseJson, treeProblem } from '../json/json-text.js'
import { type Parsed, rejected } from '../rejection.js'
import { isJsonType, mediaTypeOf } from './media-types.js'

export type EventData = Readonly<Record<string, unknown>>

const noData: EventData = Object.freeze({})
/** RFC 4648, section 4, with its padding. */
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

export function eventData(event: Readonly<Record<string, unknown>>): Parsed<EventData> {
  const contentType = event['datacontenttype']
  if (contentType != null && !isJson(contentType)) {
    return rejected(
      'unsupported_content_type',
      'The attribute datacontenttype is not JSON.',
      '/datacontenttype',
    )
  }
  if (event['data_base64'] != null) return encodedData(event)
  return event['data'] == null ? { kind: 'ok', value: noData } : objectData(event['data'], '/data')
}

function isJson(contentType: unknown): boolean {
  return typeof contentType === 'string' && isJsonType(mediaTypeOf(contentType).type)
}

function encodedData(event: Readonly<Record<string, unknown>>): Parsed<EventData> {
  const pointer = '/data_base64'
  const encoded = event['data_base64']
  if (event['data'] != null) {
    return rejected('invalid_data', 'The event has both data and data_base64; it may have one.', pointer)
  }
  if (typeof encoded !== 'string' || !base64.test(encoded)) {
    return rejected('invalid_data', 'The attribute data_base64 is not base64.', pointer)
  }
  if (encoded === '') return { kind: 'ok', value: noData }
  const text = decodeUtf8(Buffer.from(encoded, 'base64'))
  if (text === undefined) return rejected('malformed_json', 'The data in data_base64 is not UTF-8.', pointer)
  const parsed = parseJson(text)
  if (parsed.kind === 'malformed') {
    return rejected('malformed_json', `The data in data_base64 is not JSON: ${parsed.detail}.`, pointer)
  }
  return objectData(parsed.value, pointer)
}

function objectData(data: unknown, pointer: string): Parsed<EventData> {
  if (!isRecord(data)) return rejected('invalid_data', 'The data is not a JSON object.', pointer)
  const problem = treeProblem(data)
  if (problem === undefined) return { kind: 'ok', value: data }
  return rejected('invalid_data', `The data ${problem.detail}.`, `${pointer}${problem.pointer}`)
}
