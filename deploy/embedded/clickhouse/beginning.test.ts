// Tests which statements compute something before their first row.

import { expect, test } from 'vitest'
import { beginsAtOnce } from './beginning.js'

test.each([
  'SELECT * FROM weir.rated_usage',
  "SELECT a, `b`, count() AS n FROM weir.charges WHERE customer_id IN ('x', 'y') AND (a > 1) GROUP BY a, b",
  "SELECT toStartOfMonth(day), sum(amount) FROM weir.usage_daily WHERE day >= toDate('2026-01-01') GROUP BY 1",
  "SELECT 'range(1)', 'system.models' FROM numbers(10)",
])('%s begins at once', sql => {
  expect(beginsAtOnce(sql)).toBe(true)
})

test.each([
  'SELECT length(range(100000000))',
  'SELECT arraySort(x -> sipHash64(x), range(50000000))',
  'SELECT `range`(100000000)',
  'SELECT `\\x72ange`(100000000)',
  'SELECT * APPLY range FROM weir.charges',
  'SELECT * FROM system.stack_trace',
  'SELECT * FROM `system`.stack_trace',
  'SELECT * FROM `s\\x79stem`.stack_trace',
  'SELECT * FROM {d:Identifier}.x',
  'SELECT * FROM merge(REGEXP(`.*`), `.*`)',
  'SELECT a FROM weir.charges WHERE b IN weir.rated_usage',
  "SELECT a FROM weir.charges WHERE b = '[1]'::Array(UInt64)",
])('%s may be long in beginning', sql => {
  expect(beginsAtOnce(sql)).toBe(false)
})
