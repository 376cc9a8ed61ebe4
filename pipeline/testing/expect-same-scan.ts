// For tests: compares a scan with the parser (parseMessage and validateEvent), column by column.

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { parseMessage, validateEvent } from '../../schemas/event/cloud-event.js'
import { hashContent, hashIdentity, hashText } from '../../schemas/event/event-hash.js'
import { messageFormOf } from '../../schemas/event/media-types.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { decodeUtf8, isRecord, parseJson } from '../../schemas/json/json-text.js'
import { ExactNumber } from '../../schemas/money/exact-number.js'
import type { Parsed } from '../../schemas/rejection.js'
import { msOf, nanosOf } from '../../schemas/time.js'
import { type ScannedEvents, textAt, textPlaces, textWords, valueKinds } from '../core/scan/scanned-events.js'
import type { UsageScanner } from '../core/scan/scanner.js'

export type Path = readonly string[]

const arrivalMs = 1_700_000_000_000

/**
 * How many events the scan took as plain and how many not; undefined when it left the whole message to the
 * parser. Throws when the scan is wrong.
 */
export function expectSame(
  scanner: UsageScanner,
  paths: readonly Path[],
  message: Uint8Array,
  contentType?: string,
): { readonly plain: number; readonly other: number } | undefined {
  const scan = scanner.scan(message, contentType)
  if (scan === undefined) return undefined
  strictEqual(Buffer.compare(scan.bytes.subarray(0, message.length), message), 0)
  const general = parseMessage(message, contentType)
  if (general.kind !== 'ok')
    throw new Error(`The general way refuses the message: ${general.rejection.detail}`)
  strictEqual(scan.count, general.events.length)
  let plain = 0
  for (const [event, item] of general.events.entries()) {
    if (messageFormOf(contentType, message) !== 'usage_batch') expectSameBytes(scan, event, item)
    const isPlain = scan.plain[event] === 1
    const valid = item.kind === 'ok' ? validateEvent(item.value, arrivalMs) : item
    if (isPlain) plain += 1
    if (valid.kind !== 'ok') {
      if (isPlain) throw new Error(`A plain event is refused: ${valid.rejection.detail}`)
      continue
    }
    // Compares the scan with the parser's reading of the same event, put into the same columns.
    if (!isPlain) scanner.putParsed(event, valid.value)
    else ok(!valid.value.type.startsWith('weir.'))
    expectSameEnvelope(scan, event, valid.value)
    expectSameHashes(scan, event, valid.value)
    for (const [slot, path] of paths.entries()) {
      expectSameValue(scan, event * scan.slots + slot, valueAt(valid.value.data, path))
    }
  }
  return { plain, other: scan.count - plain }
}

/** Checks that the event's own bytes are the event. */
function expectSameBytes(scan: ScannedEvents, event: number, item: Parsed<unknown>): void {
  const text = decodeUtf8(scan.bytes.subarray(scan.from[event], scan.until[event]))
  const own = text === undefined ? undefined : parseJson(text)
  if (own?.kind === 'ok') deepStrictEqual([item.kind, item.kind === 'ok' && item.value], ['ok', own.value])
  else strictEqual(item.kind === 'rejected' || scan.bytes[scan.from[event]!] === 0xef, true)
}

function expectSameEnvelope(scan: ScannedEvents, event: number, valid: ValidEvent): void {
  const text = (place: number) => {
    const at = event * textWords + place * 2
    if (scan.texts[at] === -1) strictEqual(scan.texts[at + 1], -1)
    return textAt(scan, event, place)
  }
  const { subject } = textPlaces
  deepStrictEqual(
    [scan.subjectFrom[event], scan.subjectUntil[event]],
    [...scan.texts.subarray(event * textWords + subject * 2, event * textWords + subject * 2 + 2)],
  )
  deepStrictEqual(
    {
      id: text(textPlaces.id),
      source: text(textPlaces.source),
      type: text(textPlaces.type),
      subject: text(textPlaces.subject),
      correlationId: text(textPlaces.correlationid),
      traceparent: text(textPlaces.traceparent),
      timeMs: scan.timeMs[event],
      timeNanos: scan.timeNanos[event],
      isTimeStamped: scan.stamped[event] === 1,
      subscriptionId: text(textPlaces.subscriptionid) || undefined,
    },
    {
      id: valid.id,
      source: valid.source,
      type: valid.type,
      subject: valid.subject,
      correlationId: valid.correlationId,
      traceparent: valid.traceparent,
      timeMs: valid.timeText === undefined ? Number.NaN : msOf(valid.timeNs),
      timeNanos: valid.timeText === undefined ? 0 : nanosOf(valid.timeNs),
      isTimeStamped: valid.isTimeStamped,
      subscriptionId: valid.subscriptionId,
    },
  )
}

function expectSameHashes(scan: ScannedEvents, event: number, valid: ValidEvent): void {
  const words = new Uint32Array(4)
  hashIdentity(valid.source, valid.id, words)
  strictEqual(hashText(scan.identity.subarray(event * 4), 4), hashText(words, 4))
  hashContent(valid, words)
  strictEqual(hashText(scan.content.subarray(event * 2), 2), hashText(words, 2))
}

function expectSameValue(scan: ScannedEvents, place: number, value: unknown): void {
  const kind = scan.valueKind[place]
  const span = [scan.valueFrom[place]!, scan.valueUntil[place]!] as const
  if (value === undefined) deepStrictEqual([kind, ...span], [valueKinds.missing, -1, -1])
  else if (typeof value === 'string') {
    deepStrictEqual([kind, spanText(scan, ...span)], [valueKinds.text, value])
  } else {
    const expected =
      typeof value === 'number' || value instanceof ExactNumber
        ? valueKinds.number
        : typeof value === 'boolean'
          ? valueKinds[`${value}`]
          : valueKinds.other
    strictEqual(kind, expected)
    // The parser keeps no text of an object. No reader of a value tells -0 from 0, and the text of a parsed
    // one is 0.
    if (span[0] === -1) strictEqual(kind, valueKinds.other)
    else if (value === 0) ok(Number(spanText(scan, ...span)) === 0)
    else deepStrictEqual(parseJson(spanText(scan, ...span)), { kind: 'ok', value })
  }
}

function spanText(scan: ScannedEvents, from: number, until: number): string {
  return Buffer.from(scan.bytes.subarray(from, until)).toString('utf8')
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data
  for (const key of path) {
    if (!isRecord(value) || !Object.hasOwn(value, key)) return undefined
    value = value[key]
  }
  return value
}
