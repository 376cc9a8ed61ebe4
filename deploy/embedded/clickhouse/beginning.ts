// Whether a statement's first row can be asked for on the main thread. The engine computes there what it needs to know
// before: constants (`length(range(…))`, for minutes and past every limit), tables of the system, programs that it starts.
// Meanwhile nobody else is answered, and who watches us takes us for frozen.
//
// So this names what is known to take no time; all else is computed beside, and its result held as a whole.
// Takes the text as the engine's parser writes it, as guard.ts does.

import { tokens } from './sql-tokens.js'

/** Words that a bracket may follow without being called. */
const keywords = new Set(['IN', 'AND', 'OR', 'NOT', 'ON', 'BY', 'USING', 'WHERE', 'SELECT', 'HAVING', 'WHEN'])

/** Functions that make of constants no more than their own text has. */
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

/** More than numbers and names, or a name of more than letters. */
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
