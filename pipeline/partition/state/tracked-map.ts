// A map of plain data that knows what changed since it was last asked: the unit of a partition's state.
// Invariants: a dump, or the deltas in their order, rebuild the same map in the same iteration order of keys that were
// never deleted; a value changed in place is named by `touch`, or its change is lost at the next restore.

export interface MapDelta<V> {
  readonly set: readonly (readonly [string, V])[]
  readonly deleted: readonly string[]
}

export class TrackedMap<V> {
  readonly #values = new Map<string, V>()
  readonly #dirty = new Set<string>()

  get size(): number {
    return this.#values.size
  }

  /** Whether something changed since the last delta. */
  get changed(): boolean {
    return this.#dirty.size > 0
  }

  get(key: string): V | undefined {
    return this.#values.get(key)
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  set(key: string, value: V): void {
    this.#values.set(key, value)
    this.#dirty.add(key)
  }

  /** Says that the value of `key` was changed in place. */
  touch(key: string): void {
    this.#dirty.add(key)
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#dirty.add(key)
  }

  keys(): IterableIterator<string> {
    return this.#values.keys()
  }

  values(): IterableIterator<V> {
    return this.#values.values()
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries()
  }

  /** What changed since the last call, as it is now. */
  takeDelta(): MapDelta<V> {
    const set: [string, V][] = []
    const deleted: string[] = []
    for (const key of this.#dirty) {
      const value = this.#values.get(key)
      if (value === undefined) deleted.push(key)
      else set.push([key, value])
    }
    this.#dirty.clear()
    return { set, deleted }
  }

  /** Takes over a delta of another map; what it brings does not count as a change. */
  apply(delta: MapDelta<V>): void {
    for (const key of delta.deleted) this.#values.delete(key)
    for (const [key, value] of delta.set) this.#values.set(key, value)
  }

  dump(): MapDelta<V> {
    return { set: [...this.#values], deleted: [] }
  }
}
