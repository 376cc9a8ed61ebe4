// Idempotency keys for receivers that answer a repeated request with the answer of the first one.
//
// The key follows from the content, so that a request whose answer was lost has the same key when it is sent again, also after a
// restart. Such receivers repeat a refusal too, and its reason may have been mended since, so after a refusal the same content
// gets another key.
// Invariant: only a refusal changes the key. It is remembered in this process alone: after a restart the first try may meet
// the old refusal once more, while its window lasts.

import { hash } from 'node:crypto'

/** Contents that were refused and are remembered. */
const mostRefused = 10_000

export class IdempotencyKeys {
  readonly #refusals = new Map<string, number>()

  /** At most 40 letters, digits and `-`. */
  of(content: string): string {
    const digest = digestOf(content)
    const count = this.#refusals.get(digest)
    return count === undefined ? digest : `${digest}-${count}`
  }

  refused(content: string): void {
    const digest = digestOf(content)
    const count = (this.#refusals.get(digest) ?? 0) + 1
    this.#refusals.delete(digest)
    this.#refusals.set(digest, count)
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size > mostRefused && oldest !== undefined) this.#refusals.delete(oldest)
  }
}

function digestOf(content: string): string {
  return hash('sha256', content, 'hex').slice(0, 32)
}
