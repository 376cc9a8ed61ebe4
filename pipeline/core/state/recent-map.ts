// A cache of bounded size that forgets keys not used lately, without a clock and without a list.
// Invariant: it holds at least the `kept` keys that were used last, and at most twice as many.

export class RecentMap<V> {
  readonly #kept: number
  #recent = new Map<string, V>()
  #older = new Map<string, V>()

  constructor(kept: number) {
    this.#kept = kept
  }

  get(key: string): V | undefined {
    const recent = this.#recent.get(key)
    if (recent !== undefined) return recent
    const older = this.#older.get(key)
    if (older !== undefined) this.set(key, older)
    return older
  }

  set(key: string, value: V): void {
    this.#recent.set(key, value)
    if (this.#recent.size < this.#kept) return
    this.#older = this.#recent
    this.#recent = new Map()
  }

  delete(key: string): void {
    this.#recent.delete(key)
    this.#older.delete(key)
  }
}
