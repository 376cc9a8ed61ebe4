// Idempotency keys for receivers that answer a repeated request with the answer of the first one.
//
// The key follows from the content, so that a request whose answer was lost has the same key when this process sends it again.
// Such receivers repeat a refusal too, and its reason may have been mended since: so after a refusal, and after a restart, the same
// content gets another key. What a restart may have sent is found by a look-up, which such a key never replaces.

import { hash, randomUUID } from 'node:crypto'

/** Contents that were refused and are remembered. */
const mostRefused = 10_000

export class IdempotencyKeys {
  readonly #start = randomUUID()
  readonly #refusals = new Map<string, number>()

  /** At most 40 letters, digits and `-`. */
  of(content: string): string {
    const digest = this.#digestOf(content)
    const count = this.#refusals.get(digest)
    return count === undefined ? digest : `${digest}-${count}`
  }

  refused(content: string): void {
    const digest = this.#digestOf(content)
    const count = (this.#refusals.get(digest) ?? 0) + 1
    this.#refusals.delete(digest)
    this.#refusals.set(digest, count)
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size > mostRefused && oldest !== undefined) this.#refusals.delete(oldest)
  }

  #digestOf(content: string): string {
    return hash('sha256', `${this.#start} ${content}`, 'hex').slice(0, 32)
  }
}
