// The words that describe a difference between ledger and table.

import { expect, test } from 'vitest'
import { tables } from '../../schemas/tables.js'
import { inWords } from './ledger-tables.js'

const named = (name: string) => tables.find(table => table.name === name)!

test('a difference is said in money and quantities, and counts are said as counts', () => {
  const charges = { rows: 1, checksum: '7', sums: { amount: '1200000000000000', quantity: '-1' } }
  expect(inWords(named('charges'), charges)).toBe(
    '1 rows too many, amount off by 1200, quantity off by -0.000000000001',
  )
  const change = tables
    .flatMap(table => table.columns.map(column => ({ table, column })))
    .find(({ column }) => column.kind === 'int8' || column.kind === 'int64')!
  const rows = { rows: -2, checksum: '7', sums: { [change.column.name]: '-2' } }
  expect(inWords(change.table, rows)).toBe(`2 rows lost, ${change.column.name} off by -2`)
})
