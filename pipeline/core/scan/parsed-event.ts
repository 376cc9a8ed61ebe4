// Puts an event that only the parser can read into the columns of a scan, so that later stages read one form.
// Such an event has a duplicate key, a leap second, an attribute that is null, or unusually deep data.
// Invariant: the columns say what the scanner would say of the same event written plainly.

import { hashContent } from '../../../schemas/event/event-hash.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { isRecord } from '../../../schemas/json/json-text.js'
import { ExactNumber } from '../../../schemas/money/exact-number.js'
import { msOf, nanosOf } from '../../../schemas/time.js'
import { lanes } from '../../../schemas/word-hash.js'
import type { ScanLayout } from './layout.js'
import type { MessageBytes } from './message-bytes.js'
import { type Columns, contentWords, textWords, valueKinds } from './scanned-events.js'

const content = new Uint32Array(contentWords)
const spans = new Int32Array(textWords)

/**
 * Fills the row of an event, which the caller has reserved. The event's texts are written behind the message.
 */
export function putParsedEvent(
  bytes: MessageBytes,
  columns: Columns,
  layout: ScanLayout,
  event: number,
  valid: ValidEvent,
): void {
  const { id, source, type, subject, correlationId, traceparent, subscriptionId = '' } = valid
  const texts = [id, source, type, subject, correlationId, traceparent, subscriptionId]
  texts.forEach((text, place) => {
    if (text !== '') bytes.put(text)
    spans[place * 2] = text === '' ? -1 : bytes.textFrom
    spans[place * 2 + 1] = text === '' ? -1 : bytes.textUntil
  })
  columns.noValues(event)
  layout.paths.forEach((path, slot) => {
    putValue(bytes, columns, event * columns.slots + slot, valueAt(valid.data, path))
  })
  hashContent(valid, content)
  lanes.set(content)
  const timeMs = valid.timeText === undefined ? Number.NaN : msOf(valid.timeNs)
  columns.fill(event, spans, bytes.view, timeMs, nanosOf(valid.timeNs))
  columns.stamped[event] = valid.isTimeStamped ? 1 : 0
}

function putValue(bytes: MessageBytes, columns: Columns, place: number, value: unknown): void {
  if (value === undefined) return
  const kind = kindOf(value)
  columns.valueKind[place] = kind
  if (kind !== valueKinds.other)
    bytes.putValue(place, value instanceof ExactNumber ? value.text : String(value))
}

function kindOf(value: unknown): number {
  if (typeof value === 'string') return valueKinds.text
  if (typeof value === 'boolean') return valueKinds[`${value}`]
  return typeof value === 'number' || value instanceof ExactNumber ? valueKinds.number : valueKinds.other
}

function valueAt(data: unknown, path: readonly string[]): unknown {
  let value = data
  for (const key of path) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}
