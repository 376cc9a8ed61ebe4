// Our key in as few characters as document numbers of ledgers take: 20, of which a shorter field takes the beginning.

import { createHash } from 'node:crypto'

/** `W` and 95 bits of a hash of the key in base 32: capital letters and digits. */
export function shortReference(key: string): string {
  const bits = BigInt(`0x${createHash('sha256').update(key).digest('hex')}`) >> 161n
  return `W${bits.toString(32).toUpperCase().padStart(19, '0')}`
}
