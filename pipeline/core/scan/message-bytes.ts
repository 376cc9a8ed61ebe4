// The bytes of a message while it is scanned, followed by the texts that the message does not hold verbatim:
// texts written with escapes, and texts that a caller `put`s.
// Invariants: the message is copied, so zeros, which JSON never holds, mark its end. A place stays valid
// until the next `load`, even when the buffer grows; growing replaces the buffer, so read it as
// `columns.bytes`.

import { isUnicodeText, parseJson } from '../../../schemas/json/json-text.js'
import type { Columns } from './scanned-events.js'

const firstCapacity = 1 << 18
const keptCapacity = 1 << 23
/** Zeros behind the bytes: more than any look-ahead reads. */
const padding = 16
const lineFeed = 10
const quote = 34
const backslash = 92
const encoder = new TextEncoder()

export class MessageBytes {
  bytes = new Uint8Array(firstCapacity + padding)
  view = new DataView(this.bytes.buffer)
  /** Where the message ends. */
  end = 0
  at = 0
  /** The span of the text that was passed or put last. */
  textFrom = 0
  textUntil = 0
  protected readonly columns: Columns
  /** Where the next text behind the message is written. */
  #free = 0

  constructor(columns: Columns) {
    this.columns = columns
  }

  /** Takes a copy of the message. */
  load(message: Uint8Array): void {
    const capacity = this.bytes.length - padding
    if (message.length > capacity || capacity > keptCapacity) this.#resize(message.length)
    this.bytes.set(message)
    this.bytes.fill(0, message.length, message.length + padding)
    // A search for the end of the last line stops here, and not in the remains of an earlier message.
    this.bytes[message.length + padding - 1] = lineFeed
    this.end = message.length
    this.at = 0
    this.#free = message.length + padding
    this.columns.begin(this.bytes)
  }

  /** Puts more bytes behind the message, as if they had come with it; returns where they begin. */
  append(more: Uint8Array): number {
    const from = this.#free
    this.end = from + more.length
    this.#free = this.end + padding
    this.#grow(this.#free)
    this.bytes.set(more, from)
    this.bytes.fill(0, this.end, this.#free)
    return from
  }

  /** Writes a text behind the message. */
  put(text: string): void {
    this.#grow(this.#free + text.length * 3 + padding)
    this.textFrom = this.#free
    this.textUntil = this.#free + encoder.encodeInto(text, this.bytes.subarray(this.#free)).written
    // A quote ends the text, as in the message, so that a reader of digits stops there.
    this.bytes[this.textUntil] = quote
    this.#free = this.textUntil + 1
  }

  /** Writes the text of a value behind the message, and notes its place in the columns. */
  putValue(place: number, text: string): void {
    this.put(text)
    this.columns.valueFrom[place] = this.textFrom
    this.columns.valueUntil[place] = this.textUntil
  }

  /**
   * Passes a text with an escape, from behind its opening quote; false when the text is not valid Unicode.
   */
  protected escapedText(): boolean {
    const { bytes, at: from } = this
    let until = from
    while (bytes[until] !== quote && until < this.end) until += bytes[until] === backslash ? 2 : 1
    const written = Buffer.from(bytes.buffer, from - 1, until + 2 - from).toString('utf8')
    const parsed = parseJson(written)
    if (parsed.kind !== 'ok' || !isUnicodeText(parsed.value as string)) return false
    this.put(parsed.value as string)
    this.at = until + 1
    return true
  }

  #grow(needed: number): void {
    if (needed <= this.bytes.length) return
    const { bytes } = this
    this.#resize(needed)
    this.bytes.set(bytes)
    this.columns.bytes = this.bytes
  }

  #resize(needed: number): void {
    let grown = firstCapacity
    while (grown < needed) grown *= 2
    this.bytes = new Uint8Array(grown + padding)
    this.view = new DataView(this.bytes.buffer)
  }
}
