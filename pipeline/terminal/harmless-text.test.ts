// What producers sent does not command the terminal of whoever looks at it.

import { expect, test } from 'vitest'
import { harmlessText } from './harmless-text.js'
import { plainTable } from './table.js'

test('characters that command a terminal are shown, and lines, tabs and our own colours stay', () => {
  expect(harmlessText('a\u001b[2J\u001b]0;owned\u0007b\rc\u202ed\u009b8m')).toBe(
    'a\\u001b[2J\\u001b]0;owned\\u0007b\\u000dc\\u202ed\\u009b8m',
  )
  expect(harmlessText('\u001b[8mhidden')).toBe('\\u001b[8mhidden')
  expect(harmlessText('\u001b[32mok\u001b[39m\tzürich 東京\n')).toBe('\u001b[32mok\u001b[39m\tzürich 東京\n')
})

test('a row of a table is one line, whatever is in its cells', () => {
  const table = plainTable(['customer', 'state'], ['left', 'left'], [['acme\nglobex\tposted', 'refused']])
  expect(table.split('\n')).toHaveLength(2)
  expect(table).toContain('acme\\nglobex\\tposted  refused')
})
