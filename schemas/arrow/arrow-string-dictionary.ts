// A dictionary for columns whose texts repeat in record batch after record batch: each text has a permanent
// number, and one memory access finds the code of that number in the current record batch.
// Invariants: those of arrow-dictionary.ts; equal UTF-8 has one number, so invalid UTF-16 is first converted
// to the text that its UTF-8 encodes; numbers are valid until `forget`.

import { doubled, grown, writeUtf8 } from './arrow-columns.js'
import { maxTexts, nextGeneration } from './arrow-dictionary.js'
import { IpcBatch, type IpcDictionary } from './arrow-ipc.js'

const firstCapacity = 64
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what ASCII is
const ascii = /^[\u0000-\u007f]*$/
// A known text, four 32-bit words; the code belongs to the record batch with the generation in word 0:
//
//   word  0            1      2                      3
//        ┌────────────┬──────┬──────────────────────┬────────┐
//        │ generation │ code │ where its bytes begin│ length │
//        └────────────┴──────┴──────────────────────┴────────┘
const stride = 4
/** From this many bytes on, copying by a call is faster than a loop. */
const longText = 48

export class StringDictionary {
  readonly #numbers = new Map<string, number>()
  #known = new Int32Array(firstCapacity * stride)
  #knownCount = 0
  #knownBytes = new Uint8Array(firstCapacity * 16)
  #knownEnd = 0
  /** The texts of the current record batch. */
  #bytes = new Uint8Array(firstCapacity * 16)
  #offsets = new Int32Array(firstCapacity + 1)
  #count = 0
  #generation = nextGeneration()

  /** Bytes of the record batch's texts and of their offsets. */
  get size(): number {
    return this.#offsets[this.#count]! + this.#count * 4
  }

  /** How many texts have a number. */
  get knownCount(): number {
    return this.#knownCount
  }

  numberOf(text: string): number {
    return this.#numbers.get(text) ?? this.#remember(text)
  }

  textOf(number: number): string {
    const from = this.#known[number * stride + 2]!
    const until = from + this.#known[number * stride + 3]!
    return Buffer.from(this.#knownBytes.buffer, from, until - from).toString('utf8')
  }

  /** The code, in this record batch, of the text with this number. */
  codeOf(number: number): number {
    const at = number * stride
    return this.#known[at] === this.#generation ? this.#known[at + 1]! : this.#add(at)
  }

  /** Prefetches the memory that `codeOf` will read. */
  prefetch(number: number): number {
    return this.#knownBytes[this.#known[number * stride + 2]!]!
  }

  put(id: number, count: number): IpcDictionary {
    const texts = new IpcBatch(count)
    texts.node(count)
    texts.buffer(this.#offsets.subarray(0, count + 1))
    texts.buffer(this.#bytes.subarray(0, this.#offsets[count]))
    return { id, texts }
  }

  /** Begins a new record batch. */
  clear(): void {
    this.#count = 0
    this.#generation = nextGeneration()
  }

  /** Begins a new record batch and drops the numbers of all texts. */
  forget(): void {
    this.clear()
    this.#numbers.clear()
    this.#known = new Int32Array(firstCapacity * stride)
    this.#knownCount = 0
    this.#knownBytes = new Uint8Array(firstCapacity * 16)
    this.#knownEnd = 0
  }

  #add(at: number): number {
    if (this.#count === maxTexts) throw new Error('An Arrow dictionary of more than 65,536 texts.')
    const code = this.#count
    const from = this.#known[at + 2]!
    const length = this.#known[at + 3]!
    const start = this.#offsets[code]!
    if (start + length > this.#bytes.length) this.#bytes = grown(this.#bytes, start + length)
    const bytes = this.#bytes
    const known = this.#knownBytes
    if (length > longText) bytes.set(known.subarray(from, from + length), start)
    else for (let i = 0; i < length; i += 1) bytes[start + i] = known[from + i]!
    this.#known[at] = this.#generation
    this.#known[at + 1] = code
    this.#count = code + 1
    if (this.#count === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#count] = start + length
    return code
  }

  #remember(text: string): number {
    // Broken surrogate pairs are replaced, so different strings may have the same UTF-8.
    const written = ascii.test(text) ? text : Buffer.from(text, 'utf8').toString('utf8')
    const number = this.#numbers.get(written) ?? this.#keep(written)
    if (written !== text) this.#numbers.set(text, number)
    return number
  }

  #keep(text: string): number {
    const number = this.#knownCount
    const at = number * stride
    if (at === this.#known.length) this.#known = doubled(this.#known)
    const from = this.#knownEnd
    const until = from + text.length * 3
    if (until > this.#knownBytes.length) this.#knownBytes = grown(this.#knownBytes, until)
    const length = writeUtf8(text, this.#knownBytes, from)
    this.#known.set([0, 0, from, length], at)
    this.#knownEnd = from + length
    this.#knownCount = number + 1
    this.#numbers.set(text, number)
    return number
  }
}
