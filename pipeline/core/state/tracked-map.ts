// A map of plain data that records what changed since the last delta. A partition's state is made of such maps.
// Invariants: a dump, or the deltas in their order, rebuild the same map in the same iteration order of keys that were
// never deleted; a value changed in place is named by `touch`, or its change is lost at the next restore.
// For speed, the map remembers the entry found last and marks changes on the entry itself: a key is nearly always touched
// or set right after it was looked up, which then costs one look-up in a large map instead of two or three.

export interface MapDelta<V> {
  readonly set: readonly (readonly [string, V])[]
  readonly deleted: readonly string[]
}

/** So many entries at most are in one part of a dump. */
export const entriesEach = 1_000

interface Entry<V> {
  readonly key: string
  value: V
  /** Whether it is in the list of changed entries. */
  isDirty: boolean
}

export class TrackedMap<V> {
  readonly #entries = new Map<string, Entry<V>>()
  /** In the order of their first change since the last delta. Entries that were deleted are not taken out. */
  #dirty: Entry<V>[] = []
  readonly #deleted = new Set<string>()
  #found: Entry<V> | undefined

  get size(): number {
    return this.#entries.size
  }

  /** Whether something changed since the last delta. */
  get changed(): boolean {
    return this.#dirty.length > 0 || this.#deleted.size > 0
  }

  get(key: string): V | undefined {
    return this.#find(key)?.value
  }

  has(key: string): boolean {
    return this.#find(key) !== undefined
  }

  set(key: string, value: V): void {
    let entry = this.#find(key)
    if (entry === undefined) entry = this.#add(key, value)
    else entry.value = value
    this.#mark(entry)
  }

  /** Says that the value of `key` was changed in place. */
  touch(key: string): void {
    const entry = this.#find(key)
    if (entry !== undefined) this.#mark(entry)
  }

  delete(key: string): void {
    if (!this.#remove(key)) return
    this.#deleted.add(key)
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value
  }

  *entries(): IterableIterator<[string, V]> {
    for (const { key, value } of this.#entries.values()) yield [key, value]
  }

  /** What changed since the last call, as it is now. */
  takeDelta(): MapDelta<V> {
    const set: [string, V][] = []
    for (const entry of this.#dirty) {
      entry.isDirty = false
      if (this.#entries.get(entry.key) !== entry) continue
      set.push([entry.key, entry.value])
      this.#deleted.delete(entry.key)
    }
    const delta = { set, deleted: [...this.#deleted] }
    this.#dirty = []
    this.#deleted.clear()
    return delta
  }

  /** Takes over a delta of another map; what it brings does not count as a change. */
  apply(delta: MapDelta<V>): void {
    for (const key of delta.deleted) this.#remove(key)
    for (const [key, value] of delta.set) {
      const entry = this.#find(key)
      if (entry === undefined) this.#add(key, value)
      else entry.value = value
    }
  }

  /** All of it, in deltas to be applied one after another; an empty one when there is nothing. */
  *dump(): IterableIterator<MapDelta<V>> {
    let set: [string, V][] = []
    for (const entry of this.entries()) {
      set.push(entry)
      if (set.length < entriesEach) continue
      yield { set, deleted: [] }
      set = []
    }
    if (set.length > 0 || this.size === 0) yield { set, deleted: [] }
  }

  #find(key: string): Entry<V> | undefined {
    if (this.#found?.key === key) return this.#found
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#found = entry
    return entry
  }

  #add(key: string, value: V): Entry<V> {
    const entry = { key, value, isDirty: false }
    this.#entries.set(key, entry)
    this.#found = entry
    return entry
  }

  #remove(key: string): boolean {
    if (this.#found?.key === key) this.#found = undefined
    return this.#entries.delete(key)
  }

  #mark(entry: Entry<V>): void {
    if (entry.isDirty) return
    entry.isDirty = true
    this.#dirty.push(entry)
  }
}
