// Finds the events of a message in its bytes, in the forms that parseMessage of schemas/event/cloud-event.ts
// reads: one object, an array, or lines. envelope.ts reads each event; this file passes over the events that
// are not plain.
// Invariants: the events are those of parseMessage, in number and order; a message for which that is not
// certain is left to parseMessage as a whole. The bytes are read at most three times, so the cost is linear
// whatever they hold.

import { isUtf8 } from 'node:buffer'
import { maxEventsOfMessage } from '../../../schemas/event/cloud-event.js'
import { messageFormOf, type TextForm } from '../../../schemas/event/media-types.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { parseJson } from '../../../schemas/json/json-text.js'
import { BatchScanner } from './batch-scanner.js'
import { Envelope } from './envelope.js'
import { JsonWalk } from './json-walk.js'
import { KeyTree } from './key-tree.js'
import type { ScanLayout } from './layout.js'
import { NoData } from './no-data.js'
import { putParsedEvent } from './parsed-event.js'
import { Columns, type ScannedEvents } from './scanned-events.js'

const noBytes = new Uint8Array(0)

const lineFeed = 10
const quote = 34
const comma = 44
const openArray = 91
const backslash = 92
const closeArray = 93
const openObject = 123
const closeObject = 125

export class UsageScanner {
  readonly #layout: ScanLayout
  readonly #columns: Columns
  readonly #walk: JsonWalk
  readonly #envelope: Envelope
  readonly #batch: BatchScanner

  constructor(layout: ScanLayout) {
    this.#layout = layout
    this.#columns = new Columns(layout.slots)
    this.#walk = new JsonWalk(new KeyTree(layout), layout, this.#columns)
    const noData = new NoData(layout, this.#columns)
    this.#envelope = new Envelope(this.#walk, this.#columns, noData)
    this.#batch = new BatchScanner(this.#walk, this.#columns, noData)
  }

  /**
   * The events of one message; the next scan overwrites them. Undefined when parseMessage must read the
   * message as a whole. The bytes `[from, until)` of an event that is not plain are a JSON object or, in a
   * message of lines, any line that is not blank; a row of an Arrow batch has no bytes of its own.
   */
  scan(message: Uint8Array, contentType: string | undefined): ScannedEvents | undefined {
    const form = messageFormOf(contentType, message)
    if (form === 'usage_batch') return this.#batch.scan(message) ? this.#columns : undefined
    if (form === undefined || !isUtf8(message)) return undefined
    const walk = this.#walk
    walk.load(message)
    walk.lineFeed = lineFeed
    const isWhole = form === 'lines' ? this.#lines() : this.#document(form)
    return isWhole ? this.#columns : undefined
  }

  /** Fills the row of an event that is not plain from the parser's reading of it. */
  putParsed(event: number, parsed: ValidEvent): void {
    putParsedEvent(this.#walk, this.#columns, this.#layout, event, parsed)
  }

  /** Returns the parser's reading of one event as a scan; the next scan overwrites it. */
  scanParsed(parsed: ValidEvent): ScannedEvents {
    this.#walk.load(noBytes)
    this.#columns.reserve()
    this.#columns.add(false, 0, 0)
    this.putParsed(0, parsed)
    return this.#columns
  }

  /** Replaces the text of a value of the scan. */
  putValue(place: number, text: string): void {
    this.#walk.putValue(place, text)
  }

  #document(form: TextForm): boolean {
    const walk = this.#walk
    const first = walk.space()
    if (first === openArray) return this.#array()
    if (first !== openObject) return false
    return form === 'detect' && this.#hasLines(walk.at) ? this.#lines() : this.#single()
  }

  /** The whole message is one object. It must be plain, because passing over it would gain nothing. */
  #single(): boolean {
    const walk = this.#walk
    const columns = this.#columns
    columns.reserve()
    const from = walk.at
    if (!this.#envelope.read()) return false
    columns.add(true, from, walk.at)
    walk.space()
    return walk.at === walk.end
  }

  #array(): boolean {
    const walk = this.#walk
    const columns = this.#columns
    walk.at += 1
    let byte = walk.space()
    if (byte === closeArray) walk.at += 1
    while (byte !== closeArray) {
      if (byte !== openObject) return false
      if (columns.count === maxEventsOfMessage) return false
      const from = walk.at
      columns.reserve()
      const isPlain = this.#envelope.read()
      if (!isPlain && !this.#passObject(from)) return false
      columns.add(isPlain, from, walk.at)
      byte = walk.space()
      if (byte !== comma && byte !== closeArray) return false
      walk.at += 1
      if (byte === comma) byte = walk.space()
    }
    walk.space()
    return walk.at === walk.end
  }

  #lines(): boolean {
    const walk = this.#walk
    const columns = this.#columns
    walk.lineFeed = -1
    walk.at = 0
    while (walk.at < walk.end) {
      const start = walk.at
      const byte = walk.space()
      if (walk.at < walk.end && byte !== lineFeed) {
        if (columns.count === maxEventsOfMessage) return false
        columns.reserve()
        const from = walk.at
        const isPlain = byte === openObject && this.#envelope.read()
        const until = walk.at
        if (isPlain && this.#isLineEnd()) columns.add(true, from, until)
        else {
          walk.at = this.#lineEnd(start)
          if (byte !== openObject && !this.#isVisible(start, walk.at)) return false
          columns.add(false, start, walk.at)
        }
      }
      walk.at += 1
    }
    return true
  }

  /**
   * Whether an object begins here, ends on its line, and more follows it. Then the message is not one value.
   */
  #hasLines(from: number): boolean {
    const walk = this.#walk
    const lineEnd = this.#lineEnd(from)
    walk.at = lineEnd
    walk.space()
    const isAlone = walk.at === walk.end
    walk.at = from
    if (isAlone) return false
    this.#columns.reserve()
    walk.lineFeed = -1
    const isObject = (this.#envelope.read() && this.#isLineEnd()) || this.#isJson(from, lineEnd)
    walk.lineFeed = lineFeed
    walk.at = from
    return isObject
  }

  /** Passes white space; returns whether nothing else stands on the line. */
  #isLineEnd(): boolean {
    const walk = this.#walk
    return walk.space() === lineFeed || walk.at === walk.end
  }

  #lineEnd(from: number): number {
    const { bytes, end } = this.#walk
    const place = bytes.indexOf(lineFeed, from)
    return place === -1 || place > end ? end : place
  }

  /** Whether a line is certainly not blank. Characters beyond ASCII are left to the parser. */
  #isVisible(from: number, until: number): boolean {
    const { bytes } = this.#walk
    for (let at = from; at < until; at += 1) if (bytes[at]! > 32 && bytes[at]! < 127) return true
    return false
  }

  /** Passes an object that is not plain, if it is JSON. */
  #passObject(from: number): boolean {
    const walk = this.#walk
    const until = objectEnd(walk.bytes, from, walk.end)
    walk.at = until
    return this.#isJson(from, until)
  }

  #isJson(from: number, until: number): boolean {
    const { buffer } = this.#walk.bytes
    return parseJson(Buffer.from(buffer, from, until - from).toString('utf8')).kind === 'ok'
  }
}

/** Where the brackets that open at `from` are closed again; the end of the message if nowhere. */
function objectEnd(bytes: Uint8Array, from: number, end: number): number {
  let depth = 0
  let isText = false
  for (let at = from; at < end; at += 1) {
    const byte = bytes[at]!
    if (isText) {
      if (byte === backslash) at += 1
      else if (byte === quote) isText = false
    } else if (byte === quote) isText = true
    else if (byte === openObject || byte === openArray) depth += 1
    else if (byte === closeObject || byte === closeArray) {
      depth -= 1
      if (depth === 0) return at + 1
    }
  }
  return end
}
