// The order in which callers' large bodies are parsed.

import { expect, test } from 'vitest'
import { Turns } from './turns.js'

test('callers take turns, one body each, in the order in which they came', async () => {
  const turns = new Turns()
  const order: string[] = []
  const take = async (caller: string) => {
    await turns.take(caller)
    order.push(caller)
  }
  await Promise.all([take('a'), take('a'), take('a'), take('a'), take('b'), take('c'), take('b')])
  expect(order).toEqual(['a', 'a', 'b', 'c', 'a', 'b', 'a'])
  await take('d')
  expect(order.at(-1)).toBe('d')
})
