// Arrow dictionary columns that grow by one value at a time: a repeated text costs a code of two bytes.
// Invariants: codes count from 0 in the order of first use, so the first rows use the lowest codes; equal
// UTF-8 has one code, given as a string or as bytes; a dictionary holds at most 65,536 texts, and the caller
// ends the record batch before more are appended; `generation` is new whenever codes start anew, and never
// the same in two dictionaries. No text is in a dictionary twice: ClickHouse refuses such a record batch
// ("Arrow dictionary contains duplicate values"; pipeline/core/rows/rated-usage-clickhouse.test.ts).

import { ByteKeys } from '../byte-keys.js'
import { doubled } from './arrow-columns.js'
import { IpcBatch, type IpcDictionary } from './arrow-ipc.js'

const firstCapacity = 64
/** The limit of 16-bit codes. */
export const maxTexts = 65_536
const unknown = -1

let generations = 0

/** Returns a number that no dictionary of this process has had. */
export function nextGeneration(): number {
  generations += 1
  return generations
}

/** Codes shared by all columns of one text, so that a record batch holds them once. Never written to. */
let zeros = new Uint16Array(firstCapacity)

/** The texts of a dictionary, and a map that finds the code of a text given as a string. */
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

  /** Bytes of the texts and of their offsets. */
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

  /** Puts the first `count` texts. */
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

/** A column of texts with a dictionary of its own. */
export class DictionaryColumn {
  readonly #texts = new TextDictionary()
  #codes = new Uint16Array(firstCapacity)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** How many texts the dictionary holds. */
  get count(): number {
    return this.#texts.count
  }

  /** Bytes of the dictionary. */
  get size(): number {
    return this.#texts.size
  }

  /** Codes are valid as long as this stays the same. */
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

  /** Appends a text that is given as UTF-8. */
  appendBytes(bytes: Uint8Array, from: number, until: number): void {
    this.appendCode(this.#texts.codeOfBytes(bytes, from, until))
  }

  appendCode(code: number): void {
    if (this.#length === this.#codes.length) this.#codes = doubled(this.#codes)
    this.#codes[this.#length] = code
    this.#length += 1
  }

  /** Appends the last `count` texts once more. */
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

/** Puts the code 0 for every row. */
export function putConstantCodes(batch: IpcBatch, length: number): void {
  if (length > zeros.length) zeros = new Uint16Array(length * 2)
  batch.buffer(zeros.subarray(0, length))
}
