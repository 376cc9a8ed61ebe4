// Memory that is lent and given back: never to two at once.

import { expect, test } from 'vitest'
import { BytePool, capacityFor } from './byte-pool.js'

const poolOf = (mostBytes: number) => new BytePool(mostBytes, bytes => new SharedArrayBuffer(bytes))

test('memory that was given back is handed out again, a little too large if need be, and within a bound', () => {
  const pool = poolOf(1 << 20)
  const first = pool.take(263_000)
  pool.give(first)
  expect(pool.idleBytes).toBe(5 << 16)
  expect(pool.take(300_000).buffer).toBe(first.buffer)
  expect(pool.idleBytes).toBe(0)
  const [large, larger] = [pool.take(1 << 20), pool.take(1 << 20)]
  pool.give(large)
  pool.give(larger)
  expect(pool.idleBytes).toBe(1 << 20)
})

test('memory given back twice is not lent twice, even when it serves somebody else by then', () => {
  const pool = poolOf(1 << 20)
  const first = pool.take(5_000)
  pool.give(first)
  const second = pool.take(5_000)
  expect(second.buffer).toBe(first.buffer)
  pool.give(first)
  expect(pool.take(5_000).buffer).not.toBe(second.buffer)
})

test('memory of others, and other views of ours, are left alone', () => {
  const pool = poolOf(1 << 20)
  pool.give(Buffer.from('memory of others'))
  pool.give(pool.take(5_000).subarray(0))
  pool.giveBuffer(new SharedArrayBuffer(5_001))
  expect(pool.idleBytes).toBe(0)
})

test('memory that was handed over comes back filled or empty, once', () => {
  const pool = poolOf(1 << 20)
  const filled = new Uint8Array(pool.handOver(5_000), 0, 4_999)
  pool.give(filled)
  expect(pool.idleBytes).toBe(0)
  pool.adopt(filled)
  pool.give(filled)
  pool.give(filled)
  expect(pool.idleBytes).toBe(capacityFor(5_000))
  const empty = pool.handOver(5_000)
  expect(pool.idleBytes).toBe(0)
  pool.giveBuffer(empty)
  expect(pool.idleBytes).toBe(capacityFor(5_000))
})
