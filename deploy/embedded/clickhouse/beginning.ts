// Decides whether the main thread may fetch a statement's first row. Before that row the engine computes
// constants (`length(range(…))` takes minutes and ignores every limit), reads system tables and starts
// programs, all on the calling thread. Meanwhile no other request is answered, and health checks fail.
//
// So this file lists what is known to be fast; other statements run on another thread, and their result is
// kept whole. The input is the text as the engine's parser writes it, as in guard.ts.

import { tokens } from './sql-tokens.js'

/** Words that a bracket may follow without a function call. */
const keywords = new Set(['IN', 'AND', 'OR', 'NOT', 'ON', 'BY', 'USING', 'WHERE', 'SELECT', 'HAVING', 'WHEN'])

/** Functions whose result on constants is no longer than their own text. */
const quick = new Set([
  ...[
    'count',
    'sum',
    'avg',
    'min',
    'max',
    'any',
    'uniq',
    'argmin',
    'argmax',
    'if',
    'coalesce',
    'ifnull',
    'cast',
  ],
  ...['tostring', 'tofloat64', 'touint64', 'toint64', 'todate', 'todate32', 'todatetime', 'todatetime64'],
  ...['toyear', 'tomonth', 'toyyyymm', 'tostartofyear', 'tostartofmonth', 'tostartofweek', 'tostartofday'],
  ...['tostartofhour', 'todecimal64', 'todecimal128', 'now', 'today', 'lower', 'upper', 'round', 'numbers'],
])

/** Words of statements that are never treated as fast. */
const slowWords = new Set(['APPLY', 'SYSTEM', 'INFORMATION_SCHEMA', 'IDENTIFIER'])

export function beginsAtOnce(canonical: string): boolean {
  const all = [...tokens(canonical)]
  return all.every((token, index) => {
    const next = all[index + 1]?.text
    if (token.kind === 'quoted') {
      const name = canonical.slice(token.start + 1, token.end - 1)
      return next !== '(' && /^[\w ]*$/.test(name) && !slowWords.has(name.toUpperCase())
    }
    if (token.kind !== 'word') return true
    if (slowWords.has(token.text)) return false
    if (token.text === 'IN') return next === '('
    return next !== '(' || keywords.has(token.text) || quick.has(token.text.toLowerCase())
  })
}
