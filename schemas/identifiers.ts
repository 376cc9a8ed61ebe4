// Identifiers: how ids are made, and which partition a customer belongs to.
// Invariant: `partitionOf` equals NATS's own partition() of the subject token, so that a stream's transform and our
// gateway agree (a test holds one against the other).

import { hash } from 'node:crypto'
import { decodeUtf8 } from './json/json-text.js'

/** Characters (code points) of `id`, `source`, `type`, `subject` and the extensions that name something. */
export const maxAttributeLength = 256

const tokenSafe = /^[A-Za-z0-9_\-=]+$/

/** The NATS subject token of a customer id: the id itself when it is plain, else percent-encoded UTF-8 with `=` for `%`. */
export function customerToken(customerId: string): string {
  if (tokenSafe.test(customerId) && !customerId.includes('=')) return customerId
  return Array.from(Buffer.from(customerId, 'utf8'), byte => {
    const char = String.fromCharCode(byte)
    return /[A-Za-z0-9_-]/.test(char) ? char : `=${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }).join('')
}

/**
 * The customer that a producer names after `usage.` or `changes.`: `=` and two hexadecimal digits are a byte of UTF-8,
 * dots and all other characters stand for themselves. Reads back every `customerToken`.
 */
export function customerOfSubject(tail: string): string {
  if (!tail.includes('=')) return tail
  return tail.replace(/(?:=[0-9A-Fa-f]{2})+/g, escaped => {
    return decodeUtf8(Buffer.from(escaped.replaceAll('=', ''), 'hex')) ?? escaped
  })
}

/** The NATS subject token of a legal entity; `default` means none; an entity named `default` is escaped. */
export function entityToken(entityId: string): string {
  if (entityId === '') return 'default'
  return entityId === 'default' ? '=64efault' : customerToken(entityId)
}

/** FNV-1a 32 of the UTF-8 bytes. */
export function fnv1a32(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code > 127) {
      const bytes = Buffer.from(text, 'utf8')
      return fnv1a32Of(bytes, 0, bytes.length)
    }
    hash = Math.imul(hash ^ code, 0x01000193)
  }
  return hash >>> 0
}

/** FNV-1a 32 of the bytes in [from, until). */
export function fnv1a32Of(bytes: Uint8Array, from: number, until: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < until; i += 1) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}

/** Which of `partitions` holds everything of this customer. */
export function partitionOf(customerId: string, partitions: number): number {
  return fnv1a32(customerToken(customerId)) % partitions
}

/** One key from several parts, each prefixed by its length, so that no two lists of parts share a key. */
export function compositeKey(...parts: readonly (string | number)[]): string {
  let key = ''
  for (const part of parts) {
    const text = String(part)
    key += `${text.length}:${text}`
  }
  return key
}

/** A stable id: the prefix and 128 bits of SHA-256 over the composite key, in hexadecimal. */
export function stableId(prefix: string, ...parts: readonly (string | number)[]): string {
  return `${prefix}_${hash('sha256', compositeKey(...parts), 'hex').slice(0, 32)}`
}
