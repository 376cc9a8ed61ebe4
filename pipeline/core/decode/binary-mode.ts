// Turns a message in CloudEvents' binary mode (attributes in NATS headers) into the message of one whole event, so that
// the other stages see whole events only. Runs after the body is decompressed.
// Invariant: nothing is lost. A message that cannot be turned keeps its body, the attributes that could be read, and why.

import { binaryModeEvent } from '../../../schemas/event/binary-mode.js'
import { cloudEventType } from '../../../schemas/event/media-types.js'
import { isRecord, stringifyJson } from '../../../schemas/json/json-text.js'
import type { InputMessage } from './decode.js'

const noBody = new Uint8Array(0)

/** The same message, if it has no headers of the binary mode. */
export function asWholeEvent(message: InputMessage): InputMessage {
  const { headers, ...rest } = message
  if (headers === undefined) return message
  const isRefused = rest.refusal !== undefined
  const event = binaryModeEvent(headers, isRefused ? noBody : rest.bytes)
  if (event.kind === 'ok' && !isRefused) {
    return { ...rest, bytes: Buffer.from(stringifyJson(event.value)), contentType: cloudEventType }
  }
  const attributes = event.kind === 'ok' ? event.value : event.raw
  return {
    ...rest,
    ...(event.kind === 'ok' ? {} : { refusal: rest.refusal ?? event.rejection }),
    ...(isRecord(attributes) ? { attributes } : {}),
  }
}
