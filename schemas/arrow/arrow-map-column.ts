// The Arrow column of maps from text to text; keys and values are codes of two dictionaries per record batch.
// Invariant: as in arrow-dictionary.ts, the caller ends the record batch before a dictionary is full
// (`count`).

import { doubled } from './arrow-columns.js'
import { DictionaryColumn } from './arrow-dictionary.js'
import type { IpcBatch, IpcDictionary } from './arrow-ipc.js'

const firstCapacity = 64

/** Maps of texts by name. A map equal to the previous one is copied without reading its entries. */
export class MapColumn {
  readonly #keys = new DictionaryColumn()
  readonly #values = new DictionaryColumn()
  #offsets = new Int32Array(firstCapacity + 1)
  #length = 0
  #last: ReadonlyMap<string, string> | undefined

  get size(): number {
    return this.#keys.length * 4 + this.#keys.size + this.#values.size
  }

  /** How many texts the larger of both dictionaries holds. */
  get count(): number {
    return Math.max(this.#keys.count, this.#values.count)
  }

  append(map: ReadonlyMap<string, string>): void {
    if (map === this.#last) this.repeat()
    else {
      for (const [key, value] of map) {
        this.#keys.append(key)
        this.#values.append(value)
      }
      this.end()
      this.#last = map
    }
  }

  /** Appends an entry to the current map, which `end` completes; the value is given as UTF-8. */
  appendEntry(key: string, bytes: Uint8Array, from: number, until: number): void {
    this.#keys.append(key)
    this.#values.appendBytes(bytes, from, until)
  }

  end(): void {
    this.#last = undefined
    if (++this.#length === this.#offsets.length) this.#offsets = doubled(this.#offsets)
    this.#offsets[this.#length] = this.#keys.length
  }

  /** Appends the last map once more. */
  repeat(): void {
    const count = this.#offsets[this.#length]! - this.#offsets[this.#length - 1]!
    this.#keys.repeatLast(count)
    this.#values.repeatLast(count)
    const last = this.#last
    this.end()
    this.#last = last
  }

  put(batch: IpcBatch, keyId: number, valueId: number, length: number): IpcDictionary[] {
    const entries = this.#offsets[length]!
    batch.node(length)
    batch.buffer(this.#offsets.subarray(0, length + 1))
    batch.node(entries)
    const keys = this.#keys.put(batch, keyId, entries)
    return [keys, this.#values.put(batch, valueId, entries)]
  }

  clear(): void {
    this.#keys.clear()
    this.#values.clear()
    this.#length = 0
    this.#last = undefined
  }
}
