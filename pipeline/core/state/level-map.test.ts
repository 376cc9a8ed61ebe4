// Who is present by the operations on a level's values: any order, copies and restarts give the same.

import { deserialize, serialize } from 'node:v8'
import { expect, test } from 'vitest'
import { type LevelMove, LevelsByCell } from '../../../rating/charges/levels.js'
import { priceOf } from '../../../rating/testing/golden-vectors.js'
import { scaledOne } from '../../../schemas/money/decimal.js'
import { LevelMap } from './level-map.js'

const owner = { customerId: 'c', subscriptionId: 's', meter: 'm' }
const price = priceOf({ price: 'p', kind: 'usage', meter: 'm', model: 'per_unit', unit_amount: '1' })

const move = (value: string, timeNs: bigint, adds: boolean, key = 'k', zone = 'eu'): LevelMove => ({
  kind: 'members',
  dimensions: new Map([['zone', zone]]),
  last: new Map([[value, { timeNs, key, adds }]]),
})

/** By the start of the stretch. */
const moves: readonly (readonly [bigint, LevelMove])[] = [
  [0n, move('ann', 1n, true)],
  [0n, move('ann', 3n, false)],
  [0n, move('bob', 2n, true)],
  [0n, move('cy', 4n, true, '1:a1:1')],
  [0n, move('cy', 4n, false, '1:a1:2')],
  [10n, move('ann', 12n, true, 'k', 'us')],
  [10n, move('bob', 11n, false, 'k', 'us')],
]

function present(map: LevelMap, beforeNs: bigint): string[] {
  const byCell = new LevelsByCell(price)
  for (const stretch of map.of(owner)) if (stretch.fromNs < beforeNs) byCell.add(stretch)
  return [...((byCell.levels().get(0) ?? []) as ReadonlySet<string>)].sort()
}

test.each([
  ['as it came', moves],
  ['backwards', moves.toReversed()],
])('the last operation on each value decides, %s', (_, sent) => {
  const map = new LevelMap()
  for (const [fromNs, one] of sent) map.add(owner, fromNs, one)
  for (let read = 0; read < 2; read += 1) {
    expect(present(map, 10n)).toEqual(['bob'])
    expect(present(map, 20n)).toEqual(['ann'])
  }
  // Three values of one combination of dimensions, two of the other.
  expect(map.reach(owner)).toBe(5n * scaledOne)
  const copy = new LevelMap()
  copy.apply(deserialize(serialize(map.takeDelta())))
  copy.add(owner, 10n, move('bob', 13n, true))
  expect(present(copy, 20n)).toEqual(['ann', 'bob'])
  expect(present(map, 20n), 'the copy is one').toEqual(['ann'])
  copy.removeFrom('c', 10n)
  expect(present(copy, 20n)).toEqual(['bob'])
  expect(copy.reach(owner)).toBe(3n * scaledOne)
})

test('a level is moved in one way', () => {
  const map = new LevelMap()
  map.add(owner, 0n, move('ann', 1n, true))
  const change: LevelMove = { kind: 'changes', dimensions: new Map([['zone', 'eu']]), sum: 1n }
  expect(() => map.add(owner, 0n, change)).toThrow('one of three ways')
})
