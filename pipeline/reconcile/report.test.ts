// How the report describes a check whose query failed.

import { expect, test } from 'vitest'
import { unreadableCheck } from './report.js'

test('what ClickHouse could not answer is said without the query that it repeats', () => {
  const error = new Error(
    "Unknown table expression identifier 'payments' in scope SELECT toString(t.partition) AS of\nFROM payments AS t. ",
  )
  const [difference] = unreadableCheck('table_payments', 'claim', error).differences
  expect(difference!.detail).toBe("Unknown table expression identifier 'payments'")
  const other = unreadableCheck('table_payments', 'claim', new Error('connect ECONNREFUSED 127.0.0.1:1'))
  expect(other.differences[0]!.detail).toBe('connect ECONNREFUSED 127.0.0.1:1')
})
