// Hashes of an event: its identity (source and id), and its content, by which a duplicate is told from a conflict.
// Invariants: equal values hash alike whatever their key order and white space, and both are 128 bits of SHA-256, so
// that nobody can craft an event that passes for another.

import { hash } from 'node:crypto'
import { beginBytes, putOptionalText, putText, putValue, takeBytes } from './canonical-bytes.js'
import type { ValidEvent } from './usage-event.js'

/** Words of 32 bits that a hash fills. */
export const hashWords = 4

/** Writes the 128 bits that stand for (source, id) into the first four words of `out`. */
export function hashIdentity(source: string, id: string, out: Uint32Array): void {
  beginBytes()
  putText(source)
  putText(id)
  digest(takeBytes(), out)
}

/** Writes the 128 bits of the event's content into the first four words of `out`. */
export function hashContent(event: ValidEvent, out: Uint32Array): void {
  // `type`, `subject`, `time` as sent, the three extensions and `data`: what the contract calls the content.
  beginBytes()
  putText(event.type)
  putText(event.subject)
  putOptionalText(event.timeText)
  putOptionalText(event.subscriptionId)
  putText(event.correlationId)
  putText(event.traceparent)
  putValue(event.data)
  digest(takeBytes(), out)
}

/** 128 bits of a JSON value (at most `maxDepth` deep), as 32 hexadecimal digits. Equal values, equal hash. */
export function hashOfValue(value: unknown): string {
  beginBytes()
  putValue(value)
  return hash('sha256', takeBytes(), 'hex').slice(0, 32)
}

/** Four words, from `offset` on, as 32 hexadecimal digits. */
export function hashText(words: ArrayLike<number>, offset = 0): string {
  let text = ''
  for (let i = 0; i < hashWords; i += 1) text += words[offset + i]!.toString(16).padStart(8, '0')
  return text
}

function digest(content: Uint8Array, out: Uint32Array): void {
  // One character per byte is the cheapest way to get the bits out of node:crypto (half the cost of a Buffer).
  const bytes = hash('sha256', content, 'binary')
  for (let word = 0; word < hashWords; word += 1) {
    const at = word * 4
    out[word] =
      (bytes.charCodeAt(at) << 24) |
      (bytes.charCodeAt(at + 1) << 16) |
      (bytes.charCodeAt(at + 2) << 8) |
      bytes.charCodeAt(at + 3)
  }
}
