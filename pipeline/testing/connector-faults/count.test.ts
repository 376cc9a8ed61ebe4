// The count of the fault harness finds what is lost, there twice, wrong by one cent, too early and still open.

import { expect, test } from 'vitest'
import { countOf, type Standing } from './count.js'
import { expectedDocuments } from './expected-documents.js'
import { messagesOf } from './sent-records.js'

const accounts = 'accounts: { "1200": "610", "4000": "200" }'
const posted = (): Standing => 'posted'
const nothing = { lost: 0, twice: 0, unbalanced: 0, outOfOrder: 0, open: 0, refused: 0 }
const sending = { records: 30, customers: ['acme'], currencies: ['USD', 'EUR'], nowMs: Date.UTC(2026, 10, 1) }

function expectedOf(feed: 'journals' | 'batch_lines') {
  const messages = messagesOf({ feed, ...sending }).map(({ body }) => JSON.parse(body) as unknown)
  return expectedDocuments(messages, {
    feed,
    mapping: accounts,
    measure: 'amount',
    billed: 'customer',
    toDebtors: false,
  })
}

test.each(['journals', 'batch_lines'] as const)(
  'what is there once as it was sent counts as nothing: %s',
  feed => {
    const expected = expectedOf(feed)
    expect(new Set(expected.map(({ key }) => key)).size).toBe(30)
    expect(expected.filter(({ after }) => after !== undefined)).toHaveLength(1)
    expect(countOf(expected, expected, posted, feed === 'journals')).toEqual(nothing)
  },
)

test('each fault of the receiver or of Weir is one in its count', () => {
  const expected = expectedOf('journals')
  const count = (booked: typeof expected, standing = posted as (key: string) => Standing) =>
    countOf(expected, booked, standing, true)
  const [first, ...others] = expected
  expect(count(others)).toEqual({ ...nothing, lost: 1 })
  expect(count(others, key => (key === first!.key ? 'open' : 'posted'))).toEqual({ ...nothing, open: 1 })
  expect(count(others, key => (key === first!.key ? 'refused' : 'posted'))).toEqual({
    ...nothing,
    refused: 1,
  })
  // Sums of both accounts are wrong too.
  expect(count([...expected, first!])).toEqual({ ...nothing, twice: 1, unbalanced: 2 })
  expect(count([...expected, { ...first!, key: 'not ours' }])).toMatchObject({ twice: 1 })
  const [debit, credit] = first!.lines
  const cent = { ...first!, lines: [{ ...debit!, amount: '0.02' }, credit!] }
  expect(count([cent, ...others])).toEqual({ ...nothing, unbalanced: 2 })
  const swapped = {
    ...first!,
    lines: [
      { ...debit!, account: credit!.account },
      { ...credit!, account: debit!.account },
    ],
  }
  expect(count([swapped, ...others])).toEqual({ ...nothing, unbalanced: 3 })
  const correction = expected.find(({ after }) => after !== undefined)!
  expect(count([correction, ...expected.filter(one => one !== correction)])).toEqual({
    ...nothing,
    outOfOrder: 1,
  })
})
