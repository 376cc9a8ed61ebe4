// Reads the tables of a flatbuffer that the metadata of an Arrow stream uses.
// Invariant: for any bytes, a read stays within them or throws a RangeError (as DataView does), and a length
// that the bytes cannot hold is refused. The Arrow library is not used because it trusts its input: a flipped
// bit makes it allocate gigabytes or run for minutes.
// The format: https://flatbuffers.dev/internals/

export interface FlatVector {
  readonly at: number
  readonly length: number
}

export class FlatTable {
  readonly #view: DataView
  readonly #at: number
  readonly #vtable: number
  readonly #vtableSize: number

  constructor(view: DataView, at: number) {
    this.#view = view
    this.#at = at
    this.#vtable = at - view.getInt32(at, true)
    this.#vtableSize = view.getUint16(this.#vtable, true)
  }

  static root(view: DataView): FlatTable {
    return new FlatTable(view, view.getUint32(0, true))
  }

  byte(field: number, absent = 0): number {
    const at = this.#fieldAt(field)
    return at === undefined ? absent : this.#view.getUint8(at)
  }

  int16(field: number, absent = 0): number {
    const at = this.#fieldAt(field)
    return at === undefined ? absent : this.#view.getInt16(at, true)
  }

  int32(field: number, absent = 0): number {
    const at = this.#fieldAt(field)
    return at === undefined ? absent : this.#view.getInt32(at, true)
  }

  /** A length or a count. */
  size(field: number): number {
    const at = this.#fieldAt(field)
    return at === undefined ? 0 : this.sizeAt(at)
  }

  /** A 64-bit count: not negative, and at most 2^53 - 1. */
  sizeAt(at: number): number {
    const size = this.#view.getBigInt64(at, true)
    if (size < 0n || size > 0xffffffffn) throw new RangeError('a length beyond what a message can hold')
    return Number(size)
  }

  table(field: number): FlatTable | undefined {
    const at = this.#fieldAt(field)
    return at === undefined ? undefined : this.tableAt(at)
  }

  /** The table to which the offset at `at` points. */
  tableAt(at: number): FlatTable {
    return new FlatTable(this.#view, at + this.#view.getUint32(at, true))
  }

  text(field: number): string | undefined {
    const vector = this.vector(field, 1)
    if (vector === undefined) return undefined
    const { buffer, byteOffset } = this.#view
    return Buffer.from(buffer, byteOffset + vector.at, vector.length).toString('utf8')
  }

  vector(field: number, itemBytes: number): FlatVector | undefined {
    const at = this.#fieldAt(field)
    if (at === undefined) return undefined
    const start = at + this.#view.getUint32(at, true)
    const length = this.#view.getUint32(start, true)
    if (start + 4 + length * itemBytes > this.#view.byteLength) throw new RangeError('a vector is cut off')
    return { at: start + 4, length }
  }

  #fieldAt(field: number): number | undefined {
    const slot = 4 + field * 2
    if (slot + 2 > this.#vtableSize) return undefined
    const offset = this.#view.getUint16(this.#vtable + slot, true)
    return offset === 0 ? undefined : this.#at + offset
  }
}
