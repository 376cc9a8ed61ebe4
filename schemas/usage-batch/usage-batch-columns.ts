// The columns of attributes in a usage batch that are not plain texts: texts from a dictionary, timestamps, nulls.
// Invariant: what a row refers to is checked when the column is made, so that reading a row cannot fail.

import { formatInstant, msOf } from '../time.js'
import {
  type BlockCursor,
  type DictionaryRows,
  dictionaryRows,
  isNull,
  type Validity,
  validityOf,
} from './usage-batch-block.js'
import type { ArrowDictionary, TimeUnit } from './usage-batch-fields.js'
import { type PlainTexts, type TextValue, type TextValues, unwritable } from './usage-batch-texts.js'

/** The values of a dictionary; `texts` is the column that holds them, if it is only one. */
export interface DictionaryValues {
  readonly values: TextValue[]
  readonly texts: PlainTexts | undefined
}

/** A column whose rows refer to the values of a dictionary. */
export class DictionaryTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly texts: PlainTexts | undefined
  /** By row, the index of its value in `texts`. */
  readonly indices: Uint32Array
  readonly #rows: DictionaryRows
  readonly #values: readonly TextValue[]

  constructor(cursor: BlockCursor, dictionary: ArrowDictionary, { values, texts }: DictionaryValues) {
    const rows = dictionaryRows(cursor, dictionary, values.length)
    this.length = rows.length
    this.texts = texts
    this.indices = rows.indices
    this.#rows = rows
    this.#values = values
    let textBytes = 0
    for (let row = 0; row < rows.length; row += 1) {
      const value = this.at(row)
      if (typeof value === 'string') textBytes += value.length
    }
    this.textBytes = textBytes
  }

  isNull(row: number): boolean {
    return isNull(this.#rows.validity, row) || this.#values[this.indices[row]!] === undefined
  }

  at(row: number): TextValue {
    return isNull(this.#rows.validity, row) ? undefined : this.#values[this.indices[row]!]
  }
}

/** A column of the type null: no row has a value. */
export class NullTexts implements TextValues {
  readonly length: number
  readonly textBytes = 0

  constructor(length: number) {
    this.length = length
  }

  at(): undefined {
    return undefined
  }
}

/** A column of instants; a row is the RFC 3339 text of its instant. Without a time zone it is in UTC, as with one. */
export class TimestampTexts implements TextValues {
  readonly length: number
  readonly textBytes: number
  readonly #validity: Validity
  readonly #view: DataView
  readonly #unitNs: bigint

  constructor(cursor: BlockCursor, unit: TimeUnit) {
    const node = cursor.node()
    this.length = node.length
    this.textBytes = node.length * '2026-01-01T00:00:00.000Z'.length
    this.#validity = validityOf(cursor, node)
    this.#view = cursor.values(node.length * 8)
    this.#unitNs = 1_000n ** BigInt(3 - unit)
  }

  at(row: number): TextValue {
    if (isNull(this.#validity, row)) return undefined
    return instantText(this.#view.getBigInt64(row * 8, true) * this.#unitNs)
  }
}

/** The end of the year 9999; RFC 3339 cannot write later instants. */
const writableUntilMs = Date.UTC(10_000, 0, 1)
/** The start of the year 0. */
const writableFromMs = -62_167_219_200_000

/** A date or an instant that RFC 3339 cannot write is outside. */
export function isWritable(ms: number): boolean {
  return ms >= writableFromMs && ms < writableUntilMs
}

function instantText(instantNs: bigint): TextValue {
  return isWritable(msOf(instantNs)) ? formatInstant(instantNs) : unwritable
}
