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

  keys(): readonly string[] {
    return this.#all.map(({ key }) => key)
  }
}
