// Hashes of an event: its identity (source and id), and its content, by which a duplicate is told from a conflict.
// Invariants: equal values hash alike whatever their key order and white space, and both are 128 bits of SHA-256, so
// that nobody can craft an event that passes for another.

import { hash } from 'node:crypto'
import { canonicalText, quoted } from './json-text.js'
import type { ValidEvent } from './usage-event.js'

/** Words of 32 bits that a hash fills. */
export const hashWords = 4

/** Writes the 128 bits that stand for (source, id) into the first four words of `out`. */
export function hashIdentity(source: string, id: string, out: Uint32Array): void {
  // The length in front keeps ('a', 'bc') and ('ab', 'c') apart.
  digest(`${source.length}:${source}${id}`, out)
}

/** Writes the 128 bits of the event's content into the first four words of `out`. */
export function hashContent(event: ValidEvent, out: Uint32Array): void {
  digest(contentText(event), out)
}

/** 128 bits of the canonical text of a JSON tree (at most `maxDepth` deep), as 32 hexadecimal digits. */
export function hashOfValue(value: unknown): string {
  return hash('sha256', canonicalText(value), 'hex').slice(0, 32)
}

/** Four words, from `offset` on, as 32 hexadecimal digits. */
export function hashText(words: ArrayLike<number>, offset = 0): string {
  let text = ''
  for (let i = 0; i < hashWords; i += 1) text += words[offset + i]!.toString(16).padStart(8, '0')
  return text
}

/** `type`, `subject`, `time` as sent, the three extensions, and `data`: the content that the contract names. */
function contentText(event: ValidEvent): string {
  const time = event.timeText === undefined ? 'null' : quoted(event.timeText)
  const subscription = event.subscriptionId === undefined ? 'null' : quoted(event.subscriptionId)
  return (
    `[${quoted(event.type)},${quoted(event.subject)},${time},${subscription},` +
    `${quoted(event.correlationId)},${quoted(event.traceparent)},${canonicalText(event.data)}]`
  )
}

function digest(text: string, out: Uint32Array): void {
  // One character per byte is the cheapest way to get the bits out of node:crypto (half the cost of a Buffer).
  const bytes = hash('sha256', text, 'binary')
  for (let word = 0; word < hashWords; word += 1) {
    const at = word * 4
    out[word] =
      (bytes.charCodeAt(at) << 24) |
      (bytes.charCodeAt(at + 1) << 16) |
      (bytes.charCodeAt(at + 2) << 8) |
      bytes.charCodeAt(at + 3)
  }
}
