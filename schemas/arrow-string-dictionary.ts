// A dictionary for columns whose texts come as strings only, and the same ones batch after batch.
// Invariants: those of arrow-dictionary.ts; no bytes are compared here, so strings that are no proper UTF-16 are brought
// to what UTF-8 makes of them before they are told apart.

import { doubled, grown, writeUtf8 } from './arrow-columns.js'
import { maxTexts, nextGeneration } from './arrow-dictionary.js'
import { IpcBatch, type IpcDictionary } from './arrow-ipc.js'

const firstCapacity = 64
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what ASCII is
const ascii = /^[\u0000-\u007f]*$/

/** A text and the code that it has in one generation. */
interface CodedString {
  generation: number
  code: number
}

/** Texts that are remembered from batch to batch; beyond it they are forgotten with the next batch. */
const maxRemembered = 1 << 18

/**
 * A dictionary of texts that come as strings only, and the same ones batch after batch: looking them up in a map that
 * stays costs less than filling one anew.
 */
export class StringDictionary {
  #bytes = new Uint8Array(firstCapacity * 16)
  #offsets = new Int32Array(firstCapacity + 1)
  #count = 0
  readonly #known = new Map<string, CodedString>()
  #lastText: string | undefined
  #lastCode = 0
  #generation = nextGeneration()

  get size(): number {
    return this.#offsets[this.#count]! + this.#count * 4
  }

  codeOf(text: string): number {
    if (text === this.#lastText) return this.#lastCode
    const coded = this.#known.get(text) ?? this.#remember(text)
    if (coded.generation !== this.#generation) this.#add(text, coded)
    this.#lastText = text
    this.#lastCode = coded.code
    return coded.code
  }

  put(id: number, count: number): IpcDictionary {
    const texts = new IpcBatch(count)
    texts.node(count)
    texts.buffer(this.#offsets.subarray(0, count + 1))
    texts.buffer(this.#bytes.subarray(0, this.#offsets[count]))
    return { id, texts }
  }

  clear(): void {
    if (this.#known.size > maxRemembered) this.#known.clear()
    this.#count = 0
    this.#lastText = undefined
    this.#generation = nextGeneration()
  }

  #add(text: string, coded: CodedString): void {
    if (this.#count === maxTexts) throw new Error('An Arrow dictionary of more than 65,536 texts.')
    const start = this.#offsets[this.#count]!
    if (start + text.length * 3 > this.#bytes.length)
      this.#bytes = grown(this.#bytes, start + text.length * 3)
    const end = start + writeUtf8(text, this.#bytes, start)
    coded.code = this.#count
    coded.generation = this.#generation
    this.#count += 1
    if (this.#count === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#count] = end
  }

  #remember(text: string): CodedString {
    // Broken surrogate pairs are replaced, so that different strings may be the same UTF-8.
    const written = ascii.test(text) ? text : Buffer.from(text, 'utf8').toString('utf8')
    const coded = this.#known.get(written) ?? { generation: 0, code: 0 }
    this.#known.set(written, coded)
    if (written !== text) this.#known.set(text, coded)
    return coded
  }
}
