// MurmurHash3 of 32 bits with seed 0, as ClickHouse's `murmurHash3_32` computes it.

/** Of the bytes from `from` until `until`. */
export function murmur3(view: DataView, from: number, until: number): number {
  let hash = 0
  const blocksEnd = from + ((until - from) & ~3)
  for (let at = from; at < blocksEnd; at += 4) {
    hash ^= scrambled(view.getInt32(at, true))
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let at = until - 1; at >= blocksEnd; at -= 1) tail = (tail << 8) | view.getUint8(at)
  if (blocksEnd !== until) hash ^= scrambled(tail)
  hash ^= until - from
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function scrambled(word: number): number {
  const turned = Math.imul(word, 0xcc9e2d51)
  return Math.imul((turned << 15) | (turned >>> 17), 0x1b873593)
}
