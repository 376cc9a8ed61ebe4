// Builds the column `data` of a usage batch whose data came as columns: the members of a struct or a map, and the columns
// that are no attributes, written as one JSON text per row.
// Invariant: a row whose data cannot be written has no text and says why; it is refused alone.

import type { Rejection } from '../rejection.js'
import { PlainTexts, type TextValue, unreadable } from './usage-batch-texts.js'
import type { JsonValues, RowFault } from './usage-batch-values.js'

export class DataTexts extends PlainTexts {
  readonly #faults: ReadonlyMap<number, Rejection>

  constructor(
    bytes: Buffer,
    offsets: Int32Array,
    validity: Uint8Array,
    faults: ReadonlyMap<number, Rejection>,
  ) {
    super(bytes, offsets, validity)
    this.#faults = faults
  }

  override at(row: number): TextValue {
    return this.#faults.has(row) ? unreadable : super.at(row)
  }

  /** Why the data of a row cannot be read. */
  fault(row: number): Rejection | undefined {
    return this.#faults.get(row)
  }
}

export interface DataField {
  readonly name: string
  readonly values: JsonValues
}

/** `whole`: the column `data`, if there is one. A row without it and without fields has no data. */
export function dataColumn(
  rows: number,
  whole: JsonValues | undefined,
  fields: readonly DataField[],
  fault: RowFault,
): DataTexts {
  const writer = new TextWriter(rows)
  const members = fields.map(({ name, values }) => ({ key: `${JSON.stringify(name)}:`, values }))
  const faults = new Map<number, Rejection>()
  for (let row = 0; row < rows; row += 1) {
    const text = whole?.at(row)
    let inner = text?.slice(1, -1) ?? ''
    for (const { key, values } of members) {
      const value = values.at(row)
      if (value !== undefined) inner += `${inner === '' ? '' : ','}${key}${value}`
    }
    const rejection = fault.take()
    const isAbsent = text === undefined && members.length === 0
    if (rejection !== undefined) {
      faults.set(row, rejection)
      writer.add(row, '')
    } else writer.add(row, isAbsent ? undefined : `{${inner}}`)
  }
  return new DataTexts(writer.bytes(), writer.offsets, writer.validity, faults)
}

class TextWriter {
  readonly offsets: Int32Array
  readonly validity: Uint8Array
  #bytes = Buffer.allocUnsafe(1 << 16)
  #end = 0

  constructor(rows: number) {
    this.offsets = new Int32Array(rows + 1)
    this.validity = new Uint8Array(Math.ceil(rows / 8))
  }

  add(row: number, text: string | undefined): void {
    if (text !== undefined) {
      this.validity[row >> 3]! |= 1 << (row & 7)
      const needed = this.#end + text.length * 3
      if (needed > this.#bytes.length) this.#growTo(needed)
      this.#end += this.#bytes.write(text, this.#end, 'utf8')
    }
    this.offsets[row + 1] = this.#end
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end)
  }

  #growTo(needed: number): void {
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    this.#bytes.copy(grown, 0, 0, this.#end)
    this.#bytes = grown
  }
}
