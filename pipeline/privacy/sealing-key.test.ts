// Sealing: it opens with its own key alone, and one value has one text.

import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SealingKey } from './sealing-key.js'

const key = new SealingKey(1, randomBytes(32))

test('what was sealed opens with its key alone, and one value is sealed to one text', () => {
  const other = new SealingKey(1, randomBytes(32))
  fc.assert(
    fc.property(fc.json(), json => {
      const text = key.seal(json)
      expect(key.open(text)).toBe(json)
      expect(key.seal(json)).toBe(text)
      expect(other.open(text)).toBeUndefined()
      expect(other.seal(json)).not.toBe(text)
    }),
  )
})

test('a text that was changed does not open', () => {
  const [head, generation, body] = key.seal('"a@example.com"').split('.') as [string, string, string]
  for (let at = 0; at < body.length; at += 1) {
    const changed = body.slice(0, at) + (body[at] === 'A' ? 'B' : 'A') + body.slice(at + 1)
    if (Buffer.from(changed, 'base64url').equals(Buffer.from(body, 'base64url'))) continue
    expect(key.open(`${head}.${generation}.${changed}`)).toBeUndefined()
  }
  expect(key.open(`${head}.2.${body}`)).toBeUndefined()
})
