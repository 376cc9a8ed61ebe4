// Which entries an entity's postings hold from a billing batch on: read once, and then only what has come since.
// Invariant: memory holds the ids of one entity at a time, from the oldest batch that was asked for.

import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import { readStretch } from '../broker/read-stream.js'
import { type BookParts, bookSubjects, firstPostingOf } from './book.js'

export class PostedIds {
  readonly #parts: BookParts
  #token = ''
  #billingSequence = 0
  #next = 1
  #ids = new Set<string>()

  constructor(parts: BookParts) {
    this.#parts = parts
  }

  /** The ids of all entries that were posted for this message of BILLING, and of later ones. */
  async since(token: string, billingSequence: number, signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (this.#token !== token || billingSequence < this.#billingSequence) {
      this.#next = await firstPostingOf(this.#parts, token, billingSequence)
      this.#ids = new Set()
      this.#token = token
      this.#billingSequence = billingSequence
    }
    const stretch = { stream: 'POSTINGS', filterSubject: bookSubjects.postings(token), from: this.#next }
    for await (const message of readStretch(this.#parts.js, stretch, signal)) {
      this.#ids.add(message.json<JournalEntryWire>().journal_id)
      this.#next = message.seq + 1
    }
    return this.#ids
  }
}
