// A map of plain data that keeps each record as bytes (packed-record.ts) and makes it an object when it is asked for. It has the
// interface of TrackedMap, and is for what is many and seldom looked at: subscriptions and customers.
// Invariants:
// 1. Until the next delta is taken, `get` returns the same object for a key, so that what is changed in place and named by
//    `touch` is in the delta. What the iterators of values return is nobody's: a change to it has no effect.
// 2. A dump, or the deltas in their order, rebuild the same map in the same order of keys that were never deleted.

import { type PackedTable, RecordPacker } from './packed-record.js'
import { entriesEach, type MapDelta } from './tracked-map.js'

export interface PackedDelta<V> extends MapDelta<V> {
  /** Absent in what older versions wrote, which is `set`. */
  readonly packed?: { readonly table: PackedTable; readonly set: readonly (readonly [string, string])[] }
}

interface Open<V> {
  value: V
  isDirty: boolean
}

const plainMark = 0
const specialMark = 1

export class PackedMap<V extends object> {
  /** '' for a record that is new since the last delta. */
  readonly #packed = new Map<string, string>()
  /** What was looked at since the last delta. */
  readonly #open = new Map<string, Open<V>>()
  #dirty: string[] = []
  readonly #deleted = new Set<string>()
  readonly #packer = new RecordPacker()
  readonly #isSpecial: (value: V) => boolean

  /** `isSpecial`: which records `special` finds without looking into all of them. */
  constructor(isSpecial: (value: V) => boolean) {
    this.#isSpecial = isSpecial
  }

  get size(): number {
    return this.#packed.size
  }

  /** Whether something changed since the last delta. */
  get changed(): boolean {
    return this.#dirty.length > 0 || this.#deleted.size > 0
  }

  get(key: string): V | undefined {
    return this.#opened(key)?.value
  }

  has(key: string): boolean {
    return this.#packed.has(key)
  }

  set(key: string, value: V): void {
    let open = this.#open.get(key)
    if (open === undefined) {
      open = { value, isDirty: false }
      this.#open.set(key, open)
      if (!this.#packed.has(key)) this.#packed.set(key, '')
    } else open.value = value
    this.#mark(key, open)
  }

  /** Says that the value of `key` was changed in place. */
  touch(key: string): void {
    const open = this.#opened(key)
    if (open !== undefined) this.#mark(key, open)
  }

  delete(key: string): void {
    if (!this.#remove(key)) return
    this.#deleted.add(key)
  }

  keys(): IterableIterator<string> {
    return this.#packed.keys()
  }

  *values(): IterableIterator<V> {
    for (const key of this.#packed.keys()) yield this.#seen(key)
  }

  *entries(): IterableIterator<[string, V]> {
    for (const key of this.#packed.keys()) yield [key, this.#seen(key)]
  }

  /** The keys of the special records. */
  special(): string[] {
    const keys: string[] = []
    for (const [key, packed] of this.#packed) {
      const open = this.#open.get(key)
      if (open === undefined ? packed.charCodeAt(0) === specialMark : this.#isSpecial(open.value))
        keys.push(key)
    }
    return keys
  }

  /** What changed since the last call, as it is now. Objects that were handed out are nobody's from now on. */
  takeDelta(): PackedDelta<V> {
    const set: [string, string][] = []
    for (const key of this.#dirty) {
      const open = this.#open.get(key)
      if (open?.isDirty !== true) continue
      open.isDirty = false
      const packed = this.#pack(open.value)
      this.#packed.set(key, packed)
      set.push([key, packed])
      this.#deleted.delete(key)
    }
    const deleted = [...this.#deleted]
    this.#dirty = []
    this.#open.clear()
    this.#deleted.clear()
    return { set: [], deleted, packed: { table: this.#packer.takeTable(), set } }
  }

  /** Takes over a delta of another map; what it brings does not count as a change. */
  apply({ set, deleted, packed }: PackedDelta<V>): void {
    for (const key of deleted) this.#remove(key)
    for (const [key, value] of set) this.#put(key, this.#pack(value))
    if (packed === undefined) return
    this.#packer.applyTable(packed.table)
    for (const [key, record] of packed.set) this.#put(key, record)
  }

  /** All of it, in deltas to be applied one after another; an empty one when there is nothing. */
  *dump(): IterableIterator<PackedDelta<V>> {
    let set: [string, string][] = []
    let told: PackedTable['from'] = [0, 0]
    const part = (): PackedDelta<V> => {
      const table = this.#packer.tableFrom(told)
      told = [told[0] + table.shapes.length, told[1] + table.texts.length]
      return { set: [], deleted: [], packed: { table, set } }
    }
    for (const [key, packed] of this.#packed) {
      const open = this.#open.get(key)
      set.push([key, open?.isDirty === true ? this.#pack(open.value) : packed])
      if (set.length < entriesEach) continue
      yield part()
      set = []
    }
    if (set.length > 0 || this.size === 0) yield part()
  }

  #opened(key: string): Open<V> | undefined {
    const known = this.#open.get(key)
    if (known !== undefined) return known
    const packed = this.#packed.get(key)
    if (packed === undefined) return undefined
    const open = { value: this.#packer.unpack(packed) as V, isDirty: false }
    this.#open.set(key, open) // invariant 1
    return open
  }

  #seen(key: string): V {
    return this.#open.get(key)?.value ?? (this.#packer.unpack(this.#packed.get(key)!) as V)
  }

  #pack(value: V): string {
    return this.#packer.pack(this.#isSpecial(value) ? specialMark : plainMark, value)
  }

  #put(key: string, packed: string): void {
    this.#open.delete(key)
    this.#packed.set(key, packed)
  }

  #remove(key: string): boolean {
    this.#open.delete(key)
    return this.#packed.delete(key)
  }

  #mark(key: string, open: Open<V>): void {
    if (open.isDirty) return
    open.isDirty = true
    this.#dirty.push(key)
  }
}
