// Every way in which a peer expresses a price is accepted and comes to its figure, and the page of docs tells all of them.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../../../schemas/package-root.js'
import { faultsOf, owedBy, peerRows, peersPage } from './peer-expressions.js'

const rows = peerRows()

for (const { title, expressions } of rows)
  describe(title, () => {
    for (const one of expressions)
      test(`${one.peer}: ${one.says}`, () => {
        expect(faultsOf(one)).toEqual([])
        const { owed, total } = owedBy(one)
        if (one.owed === undefined) expect(total).toBe(one.total)
        else expect(owed).toEqual(one.owed)
      })
  })

test('there are at least 59', () => {
  expect(rows.flatMap(({ expressions }) => expressions).length).toBeGreaterThanOrEqual(59)
})

test('docs/peers.md has them all as they are', () => {
  const file = fileURLToPath(new URL('docs/peers.md', packageRoot))
  const page = peersPage(rows)
  if (process.env['WEIR_WRITE_PEERS'] !== undefined) writeFileSync(file, page)
  expect(readFileSync(file, 'utf8')).toBe(page)
})
