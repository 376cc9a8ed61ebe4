// CityHash128 of version 1.0.2, with which ClickHouse checks each compressed block (later versions differ).
// Plain BigInt arithmetic: about 90 ms per MB, enough for the clients of analysts, which are the only ones to need it.

const k0 = 0xc3a5c85c97cb3127n
const k1 = 0xb492b66fbe98f273n
const k2 = 0x9ae16a3b2f90404fn
const k3 = 0xc949d7c7509e6557n
const multiplier = 0x9ddfea08eb382d69n

type Pair = readonly [bigint, bigint]

/** The two halves of the hash, the low one first. */
export function cityHash128(bytes: Buffer): Pair {
  const length = BigInt(bytes.length)
  if (bytes.length >= 16) return withSeed(bytes.subarray(16), [fetch64(bytes, 0) ^ k3, fetch64(bytes, 8)])
  if (bytes.length >= 8)
    return withSeed(Buffer.alloc(0), [
      fetch64(bytes, 0) ^ u64(length * k0),
      fetch64(bytes, bytes.length - 8) ^ k1,
    ])
  return withSeed(bytes, [k0, k1])
}

function withSeed(s: Buffer, seed: Pair): Pair {
  if (s.length < 128) return murmur(s, seed)
  let [x, y] = seed
  let z = u64(BigInt(s.length) * k1)
  let v: Pair = [u64(rotate(y ^ k1, 49n) * k1 + fetch64(s, 0)), 0n]
  v = [v[0], u64(rotate(v[0], 42n) * k1 + fetch64(s, 8))]
  let w: Pair = [u64(rotate(u64(y + z), 35n) * k1 + x), u64(rotate(u64(x + fetch64(s, 88)), 53n) * k1)]
  let at = 0
  // Steps of 64 bytes, always two of them.
  for (; s.length - at >= 128; ) {
    for (let half = 0; half < 2; half++, at += 64) {
      x = u64(rotate(u64(x + y + v[0] + fetch64(s, at + 16)), 37n) * k1) ^ w[1]
      y = u64(rotate(u64(y + v[1] + fetch64(s, at + 48)), 42n) * k1) ^ v[0]
      z = rotate(z ^ w[0], 33n)
      v = weak32(s, at, u64(v[1] * k1), u64(x + w[0]))
      w = weak32(s, at + 32, u64(z + w[1]), y)
      const swapped = z
      z = x
      x = swapped
    }
  }
  y = u64(y + rotate(w[0], 37n) * k0 + z)
  x = u64(x + rotate(u64(v[0] + z), 49n) * k0)
  for (let done = 0; done < s.length - at; ) {
    done += 32
    const from = s.length - done
    y = u64(rotate(u64(y - x), 42n) * k0 + v[1])
    w = [u64(w[0] + fetch64(s, from + 16)), w[1]]
    x = u64(rotate(x, 49n) * k0 + w[0])
    w = [u64(w[0] + v[0]), w[1]]
    v = weak32(s, from, v[0], v[1])
  }
  x = hash16(x, v[0])
  y = hash16(y, w[0])
  return [u64(hash16(u64(x + v[1]), w[1]) + y), hash16(u64(x + w[1]), u64(y + v[1]))]
}

function murmur(s: Buffer, seed: Pair): Pair {
  let [a, b] = seed
  let c: bigint
  let d: bigint
  if (s.length <= 16) {
    a = u64(mix(u64(a * k1)) * k1)
    c = u64(b * k1 + hash0to16(s))
    d = mix(u64(a + (s.length >= 8 ? fetch64(s, 0) : c)))
  } else {
    c = hash16(u64(fetch64(s, s.length - 8) + k1), a)
    d = hash16(u64(b + BigInt(s.length)), u64(c + fetch64(s, s.length - 16)))
    a = u64(a + d)
    for (let at = 0; at < s.length - 16; at += 16) {
      a = u64((a ^ u64(mix(u64(fetch64(s, at) * k1)) * k1)) * k1)
      b ^= a
      c = u64((c ^ u64(mix(u64(fetch64(s, at + 8) * k1)) * k1)) * k1)
      d ^= c
    }
  }
  a = hash16(a, c)
  b = hash16(d, b)
  return [a ^ b, hash16(b, a)]
}

function hash0to16(s: Buffer): bigint {
  const length = BigInt(s.length)
  if (s.length > 8) {
    const [a, b] = [fetch64(s, 0), fetch64(s, s.length - 8)]
    return hash16(a, rotate(u64(b + length), length)) ^ b
  }
  if (s.length >= 4)
    return hash16(u64(length + (BigInt(s.readUInt32LE(0)) << 3n)), BigInt(s.readUInt32LE(s.length - 4)))
  if (s.length === 0) return k2
  const y = BigInt(s.readUInt8(0)) + (BigInt(s.readUInt8(s.length >> 1)) << 8n)
  const z = length + (BigInt(s.readUInt8(s.length - 1)) << 2n)
  return u64(mix(u64(y * k2) ^ u64(z * k3)) * k2)
}

function weak32(s: Buffer, at: number, first: bigint, second: bigint): Pair {
  const z = fetch64(s, at + 24)
  const c = u64(first + fetch64(s, at))
  const b = rotate(u64(second + c + z), 21n)
  const a = u64(c + fetch64(s, at + 8) + fetch64(s, at + 16))
  return [u64(a + z), u64(b + rotate(a, 44n) + c)]
}

function hash16(u: bigint, v: bigint): bigint {
  const a = mix(u64((u ^ v) * multiplier))
  return u64(mix(u64((v ^ a) * multiplier)) * multiplier)
}

function mix(value: bigint): bigint {
  return value ^ (value >> 47n)
}

function rotate(value: bigint, by: bigint): bigint {
  return by === 0n ? value : (value >> by) | u64(value << (64n - by))
}

function fetch64(s: Buffer, at: number): bigint {
  return s.readBigUInt64LE(at)
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value)
}
