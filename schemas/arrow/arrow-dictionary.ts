// Arrow dictionary columns that grow by one value at a time: a text that comes again is a code of two bytes.
// Invariants: codes count from 0 in the order of first sight, so the texts of the first rows are the first codes; equal
// UTF-8 has one code, whether it came as a string or as bytes; a dictionary holds at most 65,536 texts, and whoever
// appends ends a batch before that; `generation` is new whenever codes start anew, and never the same in two
// dictionaries. No text is in a dictionary twice: ClickHouse refuses such a batch ("Arrow dictionary contains duplicate
// values"; pipeline/core/rows/rated-usage-clickhouse.test.ts).

import { ByteKeys } from '../byte-keys.js'
import { doubled } from './arrow-columns.js'
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

/** The texts of a dictionary, with a map before them for those that come as strings. */
export class TextDictionary {
  readonly #keys = new ByteKeys()
  readonly #codes = new Map<string, number>()
  #lastText: string | undefined
  #lastCode = 0
  #generation = nextGeneration()

  get generation(): number {
    return this.#generation
  }

  get count(): number {
    return this.#keys.count
  }

  /** Bytes of text and of where each lies. */
  get size(): number {
    return this.#keys.size + this.#keys.count * 4
  }

  codeOf(text: string): number {
    if (text === this.#lastText) return this.#lastCode
    let code = this.#codes.get(text)
    if (code === undefined) {
      code = fitting(this.#keys.numberOfText(text))
      this.#codes.set(text, code)
    }
    this.#lastText = text
    this.#lastCode = code
    return code
  }

  codeOfBytes(bytes: Uint8Array, from: number, until: number): number {
    const last = this.#lastCode
    if (last < this.#keys.count && this.#keys.isKey(last, bytes, from, until)) return last
    this.#lastText = undefined
    this.#lastCode = fitting(this.#keys.numberOf(bytes, from, until))
    return this.#lastCode
  }

  /** The first `count` texts. */
  put(id: number, count: number): IpcDictionary {
    const texts = new IpcBatch(count)
    texts.node(count)
    texts.buffer(this.#keys.endsOf(count))
    texts.buffer(this.#keys.bytesOf(count))
    return { id, texts }
  }

  clear(): void {
    this.#keys.clear()
    this.#codes.clear()
    this.#lastText = undefined
    this.#lastCode = 0
    this.#generation = nextGeneration()
  }
}

function fitting(code: number): number {
  if (code >= maxTexts) throw new Error('An Arrow dictionary of more than 65,536 texts.')
  return code
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
