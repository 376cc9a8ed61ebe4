// Identities as the hash of an event gives them, made from a counter: distinct, evenly spread, and made again at will.
// Murmur's finaliser of 32 bits is a bijection; with the counter in one word no two identities are equal.

export function writeIdentity(n: number, out: Uint32Array): void {
  const low = mixed(n | 0)
  out[0] = low
  out[1] = mixed(low ^ 0x5bd1e995)
  out[2] = n
  out[3] = mixed(Math.floor(n / 0x1_0000_0000) ^ 0x1b873593)
}

function mixed(value: number): number {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
