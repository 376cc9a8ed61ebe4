// Arrow dictionary columns that grow by one value at a time: a text that comes again is a code of two bytes.
// Invariants: codes count from 0 in the order of first sight, so the texts of the first rows are the first codes; equal
// UTF-8 has one code, whether it came as a string or as bytes; a dictionary holds at most 65,536 texts, and whoever
// appends ends a batch before that; `generation` is new whenever codes start anew, and never the same in two
// dictionaries. No text is in a dictionary twice: ClickHouse refuses such a batch ("Arrow dictionary contains duplicate
// values"; pipeline/core/rows/rated-usage-clickhouse.test.ts).

import { doubled, grown, writeUtf8 } from './arrow-columns.js'
import { IpcBatch, type IpcDictionary } from './arrow-ipc.js'

const firstCapacity = 64
/** Codes have 16 bits. */
export const maxTexts = 65_536
const unknown = -1

let generations = 0

/** Never the same twice in a process. */
export function nextGeneration(): number {
  generations += 1
  return generations
}

/** Shared by all columns that have one text, so that a batch holds their codes once. Never written to. */
let zeros = new Uint16Array(firstCapacity)

/** The texts of a dictionary: open addressing over their UTF-8, with a map before it for those that come as strings. */
export class TextDictionary {
  #bytes = new Uint8Array(firstCapacity * 16)
  #offsets = new Int32Array(firstCapacity + 1)
  #slots = new Int32Array(firstCapacity * 4).fill(unknown)
  #count = 0
  readonly #codes = new Map<string, number>()
  #lastText: string | undefined
  #lastCode = 0
  #generation = nextGeneration()

  get generation(): number {
    return this.#generation
  }

  get count(): number {
    return this.#count
  }

  /** Bytes of text and of where each lies. */
  get size(): number {
    return this.#offsets[this.#count]! + this.#count * 4
  }

  codeOf(text: string): number {
    if (text === this.#lastText) return this.#lastCode
    let code = this.#codes.get(text)
    if (code === undefined) {
      const end = this.#offsets[this.#count]!
      this.#reserve(end + text.length * 3)
      code = this.#codeAtEnd(writeUtf8(text, this.#bytes, end))
      this.#codes.set(text, code)
    }
    this.#lastText = text
    this.#lastCode = code
    return code
  }

  codeOfBytes(bytes: Uint8Array, from: number, until: number): number {
    const length = until - from
    const last = this.#lastCode
    if (last < this.#count && this.#equals(last, bytes, from, length)) return last
    const end = this.#offsets[this.#count]!
    this.#reserve(end + length)
    const own = this.#bytes
    for (let i = 0; i < length; i += 1) own[end + i] = bytes[from + i]!
    this.#lastText = undefined
    this.#lastCode = this.#codeAtEnd(length)
    return this.#lastCode
  }

  /** The first `count` texts. */
  put(id: number, count: number): IpcDictionary {
    const texts = new IpcBatch(count)
    texts.node(count)
    texts.buffer(this.#offsets.subarray(0, count + 1))
    texts.buffer(this.#bytes.subarray(0, this.#offsets[count]))
    return { id, texts }
  }

  clear(): void {
    if (this.#count > 0) {
      this.#slots.fill(unknown)
      this.#codes.clear()
    }
    this.#count = 0
    this.#lastText = undefined
    this.#lastCode = 0
    this.#generation = nextGeneration()
  }

  /** The code of the text that was written behind the last one; it stays there only if it is new. */
  #codeAtEnd(length: number): number {
    const start = this.#offsets[this.#count]!
    const bytes = this.#bytes
    const mask = this.#slots.length - 1
    let slot = hashOf(bytes, start, length) & mask
    for (let code = this.#slots[slot]!; code !== unknown; code = this.#slots[slot]!) {
      if (this.#equals(code, bytes, start, length)) return code
      slot = (slot + 1) & mask
    }
    if (this.#count === maxTexts) throw new Error('An Arrow dictionary of more than 65,536 texts.')
    const code = this.#count
    this.#slots[slot] = code
    this.#count = code + 1
    if (this.#count === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#count] = start + length
    if (this.#count * 2 > this.#slots.length) this.#rehash()
    return code
  }

  #equals(code: number, bytes: Uint8Array, from: number, length: number): boolean {
    const start = this.#offsets[code]!
    if (this.#offsets[code + 1]! - start !== length) return false
    const own = this.#bytes
    for (let i = 0; i < length; i += 1) if (own[start + i] !== bytes[from + i]) return false
    return true
  }

  #reserve(until: number): void {
    if (until > this.#bytes.length) this.#bytes = grown(this.#bytes, until)
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(unknown)
    const mask = slots.length - 1
    for (let code = 0; code < this.#count; code += 1) {
      const start = this.#offsets[code]!
      let slot = hashOf(this.#bytes, start, this.#offsets[code + 1]! - start) & mask
      while (slots[slot] !== unknown) slot = (slot + 1) & mask
      slots[slot] = code
    }
    this.#slots = slots
  }
}

/** A column of texts of a dictionary of its own. */
export class DictionaryColumn {
  readonly #texts = new TextDictionary()
  #codes = new Uint16Array(firstCapacity)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** How many texts there are. */
  get count(): number {
    return this.#texts.count
  }

  /** Bytes of the dictionary. */
  get size(): number {
    return this.#texts.size
  }

  /** Codes are good as long as this stays. */
  get generation(): number {
    return this.#texts.generation
  }

  codeOf(text: string): number {
    return this.#texts.codeOf(text)
  }

  codeOfBytes(bytes: Uint8Array, from: number, until: number): number {
    return this.#texts.codeOfBytes(bytes, from, until)
  }

  append(text: string): void {
    this.appendCode(this.#texts.codeOf(text))
  }

  /** A text given as its UTF-8. */
  appendBytes(bytes: Uint8Array, from: number, until: number): void {
    this.appendCode(this.#texts.codeOfBytes(bytes, from, until))
  }

  appendCode(code: number): void {
    if (this.#length === this.#codes.length) this.#codes = doubled(this.#codes)
    this.#codes[this.#length] = code
    this.#length += 1
  }

  /** The last `count` texts once more. */
  repeatLast(count: number): void {
    for (let i = 0; i < count; i += 1) this.appendCode(this.#codes[this.#length - count]!)
  }

  put(batch: IpcBatch, id: number, length: number): IpcDictionary {
    batch.node(length)
    const texts = putCodes(batch, this.#codes, length)
    return this.#texts.put(id, texts)
  }

  clear(): void {
    this.#texts.clear()
    this.#length = 0
  }
}

/** Puts the codes; returns how many texts they use. */
export function putCodes(batch: IpcBatch, codes: Uint16Array, length: number): number {
  let greatest = unknown
  for (let i = 0; i < length; i += 1) if (codes[i]! > greatest) greatest = codes[i]!
  if (greatest > 0) batch.buffer(codes.subarray(0, length))
  else putConstantCodes(batch, length)
  return greatest + 1
}

/** Puts the code 0 for all. */
export function putConstantCodes(batch: IpcBatch, length: number): void {
  if (length > zeros.length) zeros = new Uint16Array(length * 2)
  batch.buffer(zeros.subarray(0, length))
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5
  for (let i = start; i < start + length; i += 1) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}
