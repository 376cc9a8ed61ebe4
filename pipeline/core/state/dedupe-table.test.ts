// Which identities are known, for how long, and in how much memory.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DedupeSegment, DedupeTable, forever, foreverEntries } from './dedupe-table.js'

const words = (...values: number[]) => Uint32Array.from(values)
const identity = (n: number) => words(Math.imul(n, 0x9e3779b1), Math.imul(n, 0x85ebca6b), n, ~n)
const content = words(7, 0x800)

test('an identity is new once, then a duplicate, or conflicting with other content', () => {
  const table = new DedupeTable(36)
  expect(table.see(identity(1), content, 100)).toBe('new')
  expect(table.see(identity(1), content, 101)).toBe('duplicate')
  expect(table.see(identity(1), words(7, 0x900), 101)).toBe('conflicting')
  expect(table.contentOf(identity(1))).toBe('00000007000008')
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

test('a key costs at most 36 bytes on the average of all shards, slack included', () => {
  const table = new DedupeTable(36)
  const count = 400_000
  let worst = 0
  for (let n = 1; n <= count; n += 1) {
    table.see(identity(n), content, 100)
    if (n > 50_000 && n % 1000 === 0) worst = Math.max(worst, table.bytes / n)
  }
  expect(table.size).toBe(count)
  expect(worst).toBeLessThanOrEqual(36)
})

test('under a steady flow the table stops growing once the days that are kept have passed', () => {
  const table = new DedupeTable(35)
  const perDay = 1_200
  let n = 0
  const bytesByDay: number[] = []
  for (let day = 100; day < 240; day += 1) {
    let peak = 0
    for (let i = 0; i < perDay; i += 1) {
      if (i % 100 === 0) table.sweep(day)
      n += 1
      table.see(identity(n), content, day)
      peak = Math.max(peak, i % 100 === 0 ? table.bytes : 0)
    }
    bytesByDay.push(peak)
  }
  const atFirst = Math.max(...bytesByDay.slice(40, 90))
  expect(Math.max(...bytesByDay.slice(90))).toBeLessThanOrEqual(atFirst * 1.02)
  expect(table.size).toBeLessThanOrEqual(perDay * 37)
  expect(table.bytes / table.size).toBeLessThanOrEqual(42)
})

test('memory is given back when the flow ends', () => {
  const table = new DedupeTable(35)
  for (let n = 1; n <= 100_000; n += 1) table.see(identity(n), content, 100)
  const full = table.bytes
  for (let i = 0; i < 256; i += 1) table.sweep(136)
  expect(table.size).toBe(0)
  expect(table.bytes).toBeLessThan(full / 20)
})

test('no call of sweep looks at more than a few shards', () => {
  const table = new DedupeTable(35)
  for (let n = 1; n <= 600_000; n += 1) table.see(identity(n), content, 100)
  table.sweep(136)
  expect(table.size).toBeGreaterThan(250_000)
})

test('the days of segments never go down, so the oldest may be dropped first', () => {
  const table = new DedupeTable(36, { segments: true })
  const segmentOf = () => {
    table.takeDelta()
    return table.takeSegment()
  }
  table.see(identity(1), content, 100)
  expect(segmentOf()).toMatchObject({ newestDay: 100, keptFromDay: 64 })
  table.forget(identity(1))
  expect(segmentOf()).toMatchObject({ newestDay: 100 })
  table.see(identity(2), content, 137)
  expect(segmentOf()).toMatchObject({ newestDay: 137, keptFromDay: 101 })
  expect(segmentOf().pieces).toEqual([])
})

test('what is reserved for a restore is what the table then needs, and no more', () => {
  const full = new DedupeTable(36)
  for (let n = 1; n <= 100_000; n += 1) full.see(identity(n), content, 100)
  const restored = new DedupeTable(36)
  restored.reserve(100_000 * 26)
  const reserved = restored.bytes
  restored.load(full.dump())
  expect(restored.size).toBe(100_000)
  expect(restored.bytes).toBeLessThanOrEqual(reserved * 1.05)
  expect(reserved).toBeLessThanOrEqual(full.bytes * 1.15)
})

test('a segment is refused before its delta is taken, and by a table that keeps none', () => {
  const table = new DedupeTable(36, { segments: true })
  table.see(identity(1), content, 100)
  expect(() => table.takeSegment()).toThrow('behind a delta')
  expect(() => new DedupeTable(36).takeSegment()).toThrow('made for it')
  expect(() => table.load(new Uint8Array(25))).toThrow('cut short')
})

test('it answers as a map does, restored from a dump, from segments and deltas, or not', () => {
  const step = fc.record({
    key: fc.integer({ min: 1, max: 60 }),
    content: fc.integer({ min: 0, max: 1 }),
    days: fc.integer({ min: 0, max: 3 }),
    action: fc.constantFrom('see', 'see', 'see', 'for_ever', 'forget', 'sweep', 'restore'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const model = new Map<number, { content: number; day: number }>()
      let table = new DedupeTable(5, { segments: true })
      let base: Uint8Array | undefined
      let segments: DedupeSegment[] = []
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
          if (days === 0) {
            base = table.dump()
            segments = []
            deltas = []
            table.takeSegment()
          } else if (days === 1) {
            const segment = table.takeSegment()
            segments = [...segments, segment].map(one =>
              one.newestDay >= segment.keptFromDay
                ? one
                : { ...one, pieces: [foreverEntries(Buffer.concat(one.pieces))] },
            )
            deltas = []
          }
          table = new DedupeTable(5, { segments: true })
          table.reserve((base?.length ?? 0) + 26 * 10)
          if (base !== undefined) table.load(base)
          for (const { pieces } of segments) table.load(Buffer.concat(pieces))
          for (const bytes of deltas) table.apply(bytes)
        } else {
          const known = model.get(key)
          const isKnown = known !== undefined && known.day + 5 >= day
          const expected = !isKnown ? 'new' : known.content === value ? 'duplicate' : 'conflicting'
          const isForever = action === 'for_ever'
          const kept = isForever ? forever : day
          if (!isKnown) model.set(key, { content: value, day: kept })
          expect(table.see(identity(key), words(value, 0x100), day, isForever)).toBe(expected)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('a key that is kept for ever is known after any time, swept or not, until it is let go', () => {
  const table = new DedupeTable(36, { segments: true })
  table.see(identity(1), content, 100, true)
  table.see(identity(2), content, 100)
  for (let i = 0; i < 3; i += 1) table.sweep(60_000 + i)
  expect(table.size).toBe(1)
  expect(table.see(identity(1), content, 60_000)).toBe('duplicate')
  expect(table.see(identity(1), words(9, 0), 60_000, true)).toBe('conflicting')
  table.takeDelta()
  expect(table.takeSegment()).toMatchObject({ newestDay: 100, forever: true })
  table.see(identity(3), content, 200)
  table.takeDelta()
  expect(table.takeSegment()).toMatchObject({ newestDay: 200, forever: false })
  table.forget(identity(1))
  expect(table.see(identity(1), content, 60_000)).toBe('new')
})
