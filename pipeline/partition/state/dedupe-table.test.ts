import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DedupeTable } from './dedupe-table.js'

const words = (...values: number[]) => Uint32Array.from(values)
const identity = (n: number) => words(Math.imul(n, 0x9e3779b1), Math.imul(n, 0x85ebca6b), n, ~n)
const content = words(7, 8, 9, 10)

test('an identity is new once, then a duplicate, or conflicting with other content', () => {
  const table = new DedupeTable(36)
  expect(table.see(identity(1), content, 100)).toBe('new')
  expect(table.see(identity(1), content, 101)).toBe('duplicate')
  expect(table.see(identity(1), words(7, 9, 0, 0), 101)).toBe('conflicting')
  expect(table.contentOf(identity(1))).toBe('0000000700000008')
  expect(table.contentOf(identity(2))).toBe('')
})

test('an identity that was let go is new again', () => {
  const table = new DedupeTable(36)
  table.see(identity(1), content, 100)
  table.forget(identity(1))
  expect(table.contentOf(identity(1))).toBe('')
  expect(table.see(identity(1), words(1, 2), 100)).toBe('new')
})

test('an identity is known for the days that are kept, swept or not', () => {
  for (const isSwept of [false, true]) {
    const table = new DedupeTable(36)
    table.see(identity(1), content, 100)
    for (let i = 0; isSwept && i < 100; i += 1) table.sweep(136)
    expect(table.see(identity(1), content, 136)).toBe('duplicate')
    for (let i = 0; isSwept && i < 100; i += 1) table.sweep(137)
    expect(table.see(identity(1), content, 137)).toBe('new')
  }
})

test('a key costs at most 40 bytes, slack included', () => {
  const table = new DedupeTable(36)
  const count = 200_000
  let worst = 0
  for (let n = 1; n <= count; n += 1) {
    table.see(identity(n), content, 100)
    if (n > 50_000 && n % 1000 === 0) worst = Math.max(worst, table.bytes / n)
  }
  expect(table.size).toBe(count)
  expect(worst).toBeLessThanOrEqual(40)
})

test('it answers as a map does, restored from a dump and deltas or not', () => {
  const step = fc.record({
    key: fc.integer({ min: 1, max: 60 }),
    content: fc.integer({ min: 0, max: 1 }),
    days: fc.integer({ min: 0, max: 3 }),
    action: fc.constantFrom('see', 'see', 'see', 'forget', 'sweep', 'restore'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const model = new Map<number, { content: number; day: number }>()
      let table = new DedupeTable(5)
      let base: Uint8Array | undefined
      let deltas: Uint8Array[] = []
      let day = 10
      for (const { key, content: value, days, action } of steps) {
        day += days
        if (action === 'forget') {
          table.forget(identity(key))
          model.delete(key)
        } else if (action === 'sweep') table.sweep(day)
        else if (action === 'restore') {
          deltas.push(table.takeDelta())
          if (value === 0) {
            base = table.dump()
            deltas = []
          }
          table = new DedupeTable(5)
          for (const bytes of base === undefined ? deltas : [base, ...deltas]) table.apply(bytes)
        } else {
          const known = model.get(key)
          const isKnown = known !== undefined && known.day + 5 >= day
          const expected = !isKnown ? 'new' : known.content === value ? 'duplicate' : 'conflicting'
          if (!isKnown) model.set(key, { content: value, day })
          expect(table.see(identity(key), words(value, 0), day)).toBe(expected)
        }
      }
    }),
    { numRuns: 300 },
  )
})
