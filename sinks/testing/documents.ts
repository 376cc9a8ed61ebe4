// The documents of a fake receiver: by our key, and seen from a certain moment on.

export interface StoredDocument<T> {
  readonly id: string
  readonly key: string
  readonly document: T
  readonly visibleAtMs: number
}

export class Documents<T> {
  readonly #all: StoredDocument<T>[] = []
  readonly #nowMs: () => number

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** One more document, whatever is there under the same key. */
  add(key: string, document: T, visibleAtMs: number): StoredDocument<T> {
    const stored = { id: String(1_001 + this.#all.length), key, document, visibleAtMs }
    this.#all.push(stored)
    return stored
  }

  /** For systems that keep one document per key. */
  upsert(key: string, document: T, visibleAtMs: number): StoredDocument<T> {
    const at = this.#all.findIndex(one => one.key === key)
    const before = this.#all[at]
    if (before === undefined) return this.add(key, document, visibleAtMs)
    const stored = { ...before, document }
    this.#all[at] = stored
    return stored
  }

  find(key: string): StoredDocument<T> | undefined {
    return this.visible().find(one => one.key === key)
  }

  /** On its way: an earlier request of this key has not been committed yet. */
  isUnderWay(key: string): boolean {
    return this.#all.some(one => one.key === key && one.visibleAtMs > this.#nowMs())
  }

  visible(): readonly StoredDocument<T>[] {
    return this.#all.filter(one => one.visibleAtMs <= this.#nowMs())
  }

  all(): readonly StoredDocument<T>[] {
    return this.#all
  }

  /** Somebody deletes there the document in which this text stands. */
  remove(text: string): void {
    const at = this.#indexOf(text)
    this.#all.splice(at, 1)
  }

  /** Somebody makes there another one like it, with other texts and numbers. */
  copy(text: string, change: (value: string) => string): void {
    const { key, document, visibleAtMs } = this.#all[this.#indexOf(text)]!
    this.add(change(key), changed(document, change) as T, visibleAtMs)
  }

  /** Somebody changes it there. */
  alter(text: string, change: (value: string) => string): void {
    const at = this.#indexOf(text)
    const stored = this.#all[at]!
    this.#all[at] = { ...stored, document: changed(stored.document, change) as T }
  }

  #indexOf(text: string): number {
    const has = (value: unknown): boolean =>
      typeof value === 'object' && value !== null
        ? Object.values(value).some(has)
        : typeof value === 'string' && value.includes(text)
    const at = this.#all.findIndex(({ key, document }) => key.includes(text) || has(document))
    if (at === -1) throw new Error(`there is no document with ${text}`)
    return at
  }

  keys(): readonly string[] {
    return this.#all.map(({ key }) => key)
  }
}

function changed(value: unknown, change: (value: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (typeof value === 'number') return Number(change(String(value)))
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(one => changed(one, change))
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, changed(one, change)]))
}
