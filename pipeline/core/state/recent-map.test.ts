// The map that forgets, against its promise of what it keeps.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecentMap } from './recent-map.js'

test('what was used last is there as it was set, and there is never more than twice of it', () => {
  const step = fc.record({
    key: fc.nat({ max: 30 }).map(String),
    act: fc.constantFrom('set', 'get', 'delete'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const kept = 5
      const map = new RecentMap<number>(kept)
      const model = new Map<string, number>()
      let used: string[] = []
      steps.forEach(({ key, act }, i) => {
        if (act === 'set') {
          map.set(key, i)
          model.set(key, i)
        } else if (act === 'delete') {
          map.delete(key)
          model.delete(key)
        } else {
          const value = map.get(key)
          if (value !== undefined || used.slice(-kept).includes(key)) expect(value).toBe(model.get(key))
        }
        if (act === 'set' || map.get(key) !== undefined) used = [...used.filter(one => one !== key), key]
        else used = used.filter(one => one !== key)
      })
      expect([...model.keys()].filter(key => map.get(key) !== undefined).length).toBeLessThanOrEqual(2 * kept)
    }),
  )
})
