// Shared memory that is lent and given back, and copied into.

import { expect, test } from 'vitest'
import { capacityFor } from './byte-pool.js'
import { copyInto, Room } from './shared-memory.js'

test('a room lends the smallest buffer that fits, each once, and makes what it lacks', () => {
  const sizes = [capacityFor(10_000), capacityFor(30_000), capacityFor(1 << 20)]
  const buffers = sizes.map(size => new SharedArrayBuffer(size))
  const room = new Room(buffers)
  expect(room.take(9_000).buffer).toBe(buffers[0])
  const second = room.take(9_000)
  expect(buffers).not.toContain(second.buffer)
  expect(second.length).toBe(9_000)
  expect(second.buffer.byteLength).toBe(capacityFor(9_000))
  expect(room.unused).toEqual([buffers[1], buffers[2]])
  expect(room.take(1 << 20).buffer).toBe(buffers[2])
})

test('bytes are copied into shared memory wherever they lie', () => {
  const source = Uint8Array.from({ length: 40 }, (_, i) => i)
  const into = new Uint8Array(new SharedArrayBuffer(64))
  copyInto(into, 3, source.subarray(5, 22))
  copyInto(into, 30, new Uint8Array())
  expect([...into.subarray(3, 20)]).toEqual([...source.subarray(5, 22)])
  expect([...into.subarray(20)].every(byte => byte === 0)).toBe(true)
  expect(() => copyInto(into, 60, source)).toThrow()
})
