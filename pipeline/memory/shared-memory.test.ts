// Shared memory that is lent and given back, and copied into.

import { expect, test } from 'vitest'
import { capacityFor } from './byte-pool.js'
import { copyInto, LentBuffers } from './shared-memory.js'

test('of the lent buffers the smallest that fits is taken, each once, and a missing one is made', () => {
  const sizes = [capacityFor(10_000), capacityFor(30_000), capacityFor(1 << 20)]
  const buffers = sizes.map(size => new SharedArrayBuffer(size))
  const lent = new LentBuffers(buffers)
  expect(lent.take(9_000).buffer).toBe(buffers[0])
  const second = lent.take(9_000)
  expect(buffers).not.toContain(second.buffer)
  expect(second.length).toBe(9_000)
  expect(second.buffer.byteLength).toBe(capacityFor(9_000))
  expect(lent.unused).toEqual([buffers[1], buffers[2]])
  expect(lent.take(1 << 20).buffer).toBe(buffers[2])
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
