// Deltas and dumps of a map rebuild the map.

import { expect, test } from 'vitest'
import { TrackedMap } from './tracked-map.js'

test('deltas, or a dump and the deltas after it, rebuild the map', () => {
  const map = new TrackedMap<{ n: number }>()
  const copy = new TrackedMap<{ n: number }>()
  map.set('a', { n: 1 })
  map.set('b', { n: 2 })
  copy.apply(structuredClone(map.takeDelta()))
  const dump = structuredClone([...map.dump()])
  map.get('a')!.n = 5
  map.touch('a')
  map.delete('b')
  map.set('c', { n: 3 })
  const delta = structuredClone(map.takeDelta())
  copy.apply(delta)
  expect([...copy.entries()]).toEqual([...map.entries()])
  const late = new TrackedMap<{ n: number }>()
  for (const part of dump) late.apply(part)
  late.apply(delta)
  expect([...late.entries()]).toEqual([...map.entries()])
})

test('what was applied or taken is no change', () => {
  const map = new TrackedMap<number>()
  map.apply({ set: [['a', 1]], deleted: [] })
  expect(map.changed).toBe(false)
  map.set('a', 2)
  expect(map.changed).toBe(true)
  map.takeDelta()
  expect(map.changed).toBe(false)
})
