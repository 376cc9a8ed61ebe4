// Tests the numbers of byte strings: equal bytes have one number, also when hashes collide.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteKeys, unknownKey } from './byte-keys.js'
import { partitionOf } from './identifiers.js'

/** As they lie in a message: one after another in one piece of memory. */
function spansOf(ids: readonly string[]) {
  const from = new Int32Array(ids.length)
  const until = new Int32Array(ids.length)
  let end = 0
  ids.forEach((id, i) => {
    from[i] = end
    end += Buffer.byteLength(id)
    until[i] = end
  })
  return { bytes: Buffer.from(ids.join('')), from, until }
}

test('keys have the numbers that a Map would give them, whichever way they come, and after they were forgotten', () => {
  const key = fc.oneof(
    fc.string({ maxLength: 3 }), // few, so that they come again
    fc.string({ unit: 'grapheme', maxLength: 80 }),
    fc.integer({ min: 0, max: 2_000 }).map(String),
  )
  const step = fc.record({
    way: fc.constantFrom('find', 'bytes', 'text', 'bytes', 'text'),
    key,
    margin: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(fc.array(step, { maxLength: 300 }), { minLength: 1, maxLength: 3 }), rounds => {
      const keys = new ByteKeys()
      for (const steps of rounds) {
        const known = new Map<string, number>()
        for (const { way, key: text, margin } of steps) {
          const bytes = Buffer.from(`${'x'.repeat(margin)}${text}y`)
          const [from, until] = [margin, bytes.length - 1]
          if (way !== 'find' && !known.has(text)) known.set(text, known.size)
          const found =
            way === 'find'
              ? keys.find(bytes, from, until)
              : way === 'bytes'
                ? keys.numberOf(bytes, from, until)
                : keys.numberOfText(text)
          expect(found).toBe(known.get(text) ?? unknownKey)
          if (found !== unknownKey) expect(keys.isKey(found, bytes, from, until)).toBe(true)
          if (found !== unknownKey) expect(keys.isKey(found, bytes, from, until + 1)).toBe(false)
        }
        const texts = [...known.keys()]
        expect(keys.count).toBe(texts.length)
        expect(texts.map((_, number) => keys.textOf(number))).toEqual(texts)
        expect(Buffer.from(keys.bytesOf(texts.length)).toString('utf8')).toBe(texts.join(''))
        expect([...keys.endsOf(texts.length)].at(-1)).toBe(keys.size)
        keys.clear()
        for (const text of texts) expect(keys.findText(text)).toBe(unknownKey)
      }
    }),
    { numRuns: 60 },
  )
})

test('customers of one partition and of all have numbers of their own, and are found one by one and together', () => {
  const all = Array.from({ length: 20_000 }, (_, i) => `customer-${i * 7}-é`)
  for (const ids of [all, all.filter(id => partitionOf(id, 4) === 2)]) {
    const customers = new ByteKeys()
    const numbers = ids.map(id => customers.numberOfText(id))
    expect(numbers).toEqual(ids.map((_, i) => i))
    expect(ids.map(id => customers.numberOfText(id))).toEqual(numbers)
    expect(numbers.map(number => customers.textOf(number))).toEqual(ids)
    const asked = ids.flatMap(id => [id, `${id}x`, id.slice(1)])
    const { bytes, from, until } = spansOf(asked)
    const known = asked.map((_, i) => customers.find(bytes, from[i]!, until[i]!))
    expect(known).toEqual(numbers.flatMap(number => [number, unknownKey, unknownKey]))
    const wanted = Uint8Array.from(asked, (_, i) => (i % 5 === 0 ? 0 : 1))
    const together = new Int32Array(asked.length).fill(-9)
    customers.findAll(bytes, wanted, from, until, asked.length, together)
    expect([...together]).toEqual(known.map((number, i) => (wanted[i] === 0 ? unknownKey : number)))
  }
})
