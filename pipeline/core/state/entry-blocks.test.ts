// Bytes that are gathered and taken: each once.

import { expect, test } from 'vitest'
import { EntryBlocks } from './entry-blocks.js'

test('what is taken is what was added, and nothing is taken twice', () => {
  const blocks = new EntryBlocks()
  const added = [26, 1 << 20, 3_000_000, 0, 52].map((length, n) => new Uint8Array(length).fill(n + 1))
  for (const bytes of added) blocks.add(bytes)
  const taken = blocks.take()
  expect(Buffer.concat(taken).equals(Buffer.concat(added))).toBe(true)
  expect(taken.every(piece => piece.byteLength === piece.buffer.byteLength)).toBe(true)
  expect(blocks.take()).toEqual([])
  blocks.add(Uint8Array.of(7))
  expect(blocks.take()).toEqual([Uint8Array.of(7)])
})
