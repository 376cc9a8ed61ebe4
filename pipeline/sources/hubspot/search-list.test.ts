// A list by search has each object that stays as it is, whatever is modified while it is read and however many have one time.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CrmRecord } from '../quotes/deal.js'
import { type SearchPosition, type SearchRange, searchPart } from './search-list.js'

interface Asked {
  readonly filterGroups: readonly [
    { readonly filters: readonly { propertyName: string; operator: string; value: string }[] },
  ]
  readonly sorts: readonly [{ readonly propertyName: string }]
  readonly limit: number
}

/** A portal that answers as HubSpot does: by id or by time, and of one time in any order. */
class Portal {
  readonly times: Map<number, number>
  searches = 0
  readonly #limit: number | undefined

  /** `limit`: it gives pages of so many at most. */
  constructor(times: readonly number[], limit?: number) {
    this.times = new Map(times.map((ms, n) => [n + 1, ms]))
    this.#limit = limit
  }

  search = async (json: object): Promise<readonly CrmRecord[]> => {
    const { filterGroups, sorts, limit } = json as Asked
    this.searches += 1
    const value = ([id, ms]: readonly [number, number], name: string) => (name === 'hs_object_id' ? id : ms)
    const holds = { GTE: (a: number, b: number) => a >= b, LT: (a: number, b: number) => a < b }
    const also = { EQ: (a: number, b: number) => a === b, GT: (a: number, b: number) => a > b }
    const operators: Record<string, (a: number, b: number) => boolean> = { ...holds, ...also }
    const by = sorts[0].propertyName
    const found = [...this.times].filter(one =>
      filterGroups[0].filters.every(({ propertyName, operator, value: than }) =>
        operators[operator]!(value(one, propertyName), Number(than)),
      ),
    )
    found.sort((a, b) => value(a, by) - value(b, by) || ((a[0] * 7919) % 101) - ((b[0] * 7919) % 101))
    return found
      .slice(0, Math.min(limit, this.#limit ?? limit))
      .map(([id, ms]) => ({ id: String(id), updatedAt: new Date(ms).toISOString() }))
  }
}

async function all(
  portal: Portal,
  range: SearchRange,
  between: (seen: readonly string[]) => void = () => undefined,
): Promise<string[]> {
  const ids: string[] = []
  let position: SearchPosition | undefined
  do {
    const part = await searchPart(portal.search, range, position)
    ids.push(...part.ids)
    position = part.position
    between(ids)
    expect(portal.searches).toBeLessThan(1_000)
  } while (position !== undefined)
  return ids
}

const everything = { fromMs: 0, untilMs: undefined }

test('what stays as it is while the list is read is in it, whatever else is modified', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 700 }),
      fc.array(fc.nat({ max: 699 }), { maxLength: 20 }),
      async (times, moved) => {
        const portal = new Portal(times)
        const changed = new Set<string>()
        const left = [...moved]
        const ids = await all(portal, { fromMs: 5, untilMs: 25 }, () => {
          const id = (left.pop() ?? Number.NaN) + 1
          if (!portal.times.has(id)) return
          portal.times.set(id, 26)
          changed.add(String(id))
        })
        const wanted = times.flatMap((ms, n) =>
          ms >= 5 && ms < 25 && !changed.has(String(n + 1)) ? [String(n + 1)] : [],
        )
        const seen = new Set(ids)
        expect(wanted.filter(id => !seen.has(id))).toEqual([])
      },
    ),
    { numRuns: 60 },
  )
})

test('12,000 objects are listed, also those that have one time, and few come twice', async () => {
  const portal = new Portal(Array.from({ length: 12_000 }, (_, n) => (n < 10_500 ? 7 : n)))
  const ids = await all(portal, everything)
  expect(new Set(ids).size).toBe(12_000)
  expect(ids.length).toBeLessThanOrEqual(12_100)
  expect(portal.searches).toBeLessThan(130)
})

test('an answer in another order, without times or without ids is no end of the list', async () => {
  const page = (make: (n: number) => CrmRecord) => Array.from({ length: 100 }, (_, n) => make(n))
  const answers = [
    page(n => ({ id: String(n), updatedAt: new Date(1_000 - n).toISOString() })),
    page(n => ({ id: String(n) })),
    page(n => ({ id: `x' OR ${n}`, updatedAt: new Date(n).toISOString() })),
  ]
  for (const answer of answers)
    await expect(
      searchPart(async () => answer, { fromMs: 950, untilMs: undefined }, undefined),
    ).rejects.toMatchObject({ code: 'answer_not_understood' })
  await expect(
    searchPart(async () => page(() => ({ id: '5', updatedAt: 'x' })), everything, {
      from_ms: 9,
      behind_id: '5',
    }),
  ).rejects.toMatchObject({ code: 'answer_not_understood' })
})
