// Every golden case as it is, and shuffled with duplicates: the contract's text against what the command prints.

import { describe, expect, test } from 'vitest'
import {
  type GoldenCase,
  goldenCases,
  type Printed,
  printed,
  shortCharges,
  shortMovements,
  sorted,
} from '../testing/golden/case.js'
import { Dice } from '../testing/random/dice.js'

const orders = [1, 2, 3]

describe('golden cases', () => {
  for (const one of goldenCases()) {
    test(`${one.name}: ${one.claim}`, async () => {
      const result = await printed(one, one.events)
      agrees(one, result)
      if (one.shuffle === false) return
      for (const seed of orders) {
        const dice = new Dice(seed)
        agrees(one, await printed(one, dice.shuffled(one.events)))
        const again = await printed(
          one,
          dice.shuffled([...one.events, ...one.events.filter(() => dice.chance(0.4))]),
        )
        expect(sorted(again.charges)).toEqual(sorted(result.charges))
        expect(sorted(again.mrr_movements)).toEqual(sorted(result.mrr_movements))
      }
    })
  }
})

function agrees(one: GoldenCase, result: Printed): void {
  const { charges, counts, dead = [], movements, notices = [] } = one.expect
  const { received, ...rest } = result.events
  const notZero = Object.fromEntries(Object.entries(rest).filter(([, count]) => count !== 0))
  const codes = result.dead_letters.map(letter => letter['code'])
  expect({ counts: notZero, dead: codes.sort() }).toEqual({ counts, dead: [...dead].sort() })
  expect(received).toBe(one.events.length)
  const noticed = result.notices.map(({ id, code, pointer }) => `${id} ${code} ${pointer}`)
  expect(noticed.sort()).toEqual([...notices].sort())
  if (!areAll(charges, shortCharges(result.charges, charges))) {
    expect(sorted(shortCharges(result.charges, charges))).toEqual(sorted(charges))
  }
  if (movements === undefined) return
  expect(shortMovements(result.mrr_movements, movements)).toEqual(movements)
}

/** Each expected charge is printed once, with at least the fields that are expected of it, and no other charge is. */
function areAll(expected: readonly object[], found: readonly object[]): boolean {
  const rest = [...found]
  for (const charge of expected) {
    const at = rest.findIndex(one =>
      Object.entries(charge).every(([name, value]) => Reflect.get(one, name) === value),
    )
    if (at === -1) return false
    rest.splice(at, 1)
  }
  return rest.length === 0
}
