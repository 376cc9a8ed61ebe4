// A dictionary for number columns with few values in a record batch: instants of periods, versions, and
// values that all rows of a commit share. A column with one value costs only that value, since its codes are
// shared.
// Invariants: those of arrow-dictionary.ts; numbers are safe integers, nanoseconds bigints.

import type { ColumnKind } from '../table-description.js'
import { maxTexts } from './arrow-dictionary.js'
import { IpcBatch, type IpcDictionary } from './arrow-ipc.js'

export class NumberDictionary {
  readonly #codes = new Map<number | bigint, number>()
  readonly #values: (number | bigint)[] = []
  #last: number | bigint = Number.NaN
  #lastCode = 0

  codeOf(value: number | bigint): number {
    if (value === this.#last) return this.#lastCode
    let code = this.#codes.get(value)
    if (code === undefined) {
      code = this.#values.length
      if (code === maxTexts) throw new Error('An Arrow dictionary of more than 65,536 numbers.')
      this.#codes.set(value, code)
      this.#values.push(value)
    }
    this.#last = value
    this.#lastCode = code
    return code
  }

  /** `kind`: the kind of the column. */
  put(id: number, kind: ColumnKind): IpcDictionary {
    const texts = new IpcBatch(this.#values.length)
    texts.node(this.#values.length)
    texts.buffer(valuesOf(kind, this.#values))
    return { id, texts }
  }
}

function valuesOf(kind: ColumnKind, values: readonly (number | bigint)[]): ArrayBufferView {
  switch (kind) {
    case 'int8':
      return Int8Array.from(values, Number)
    case 'uint32':
      return Uint32Array.from(values, Number)
    case 'uint64':
    case 'int64':
    case 'instant_ms':
    case 'instant_ns':
      return BigInt64Array.from(values, BigInt)
    default:
      throw new Error(`Columns of kind ${kind} are no numbers.`)
  }
}
