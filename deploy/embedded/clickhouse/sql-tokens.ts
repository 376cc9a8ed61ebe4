// Splits SQL text into the few kinds of token that are needed to see where its clauses begin.
// It never judges the SQL: the engine parses it again. Strings, quoted names, comments and here-documents are skipped
// whole, so that a word inside them is never taken for a clause.

export interface Token {
  readonly kind: 'word' | 'quoted' | 'string' | 'symbol'
  /** Words in upper case; symbols as they are; empty for strings and quoted names. */
  readonly text: string
  readonly start: number
  readonly end: number
  /** How many brackets are open around it. */
  readonly depth: number
}

const wordStart = /[A-Za-z_]/
const wordPart = /[A-Za-z0-9_]/

/** Yields the tokens from `start` on, one at a time: a reader that has seen enough does not pay for the rest. */
export function* tokens(sql: string, start = 0): Generator<Token, void, undefined> {
  let at = start
  let depth = 0
  while (at < sql.length) {
    const skipped = skipBlank(sql, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    const from = at
    const char = sql[at] as string
    if (wordStart.test(char)) {
      while (at < sql.length && wordPart.test(sql[at] as string)) at++
      yield { kind: 'word', text: sql.slice(from, at).toUpperCase(), start: from, end: at, depth }
    } else if (/[0-9]/.test(char)) {
      while (at < sql.length && /[A-Za-z0-9_.]/.test(sql[at] as string)) at++
      yield { kind: 'symbol', text: sql.slice(from, at), start: from, end: at, depth }
    } else if (char === "'" || char === '"' || char === '`') {
      at = endOfQuoted(sql, at, char)
      yield { kind: char === "'" ? 'string' : 'quoted', text: '', start: from, end: at, depth }
    } else if (char === '$' && endOfHeredoc(sql, at) > at) {
      at = endOfHeredoc(sql, at)
      yield { kind: 'string', text: '', start: from, end: at, depth }
    } else {
      at++
      if (char === ')' || char === ']' || char === '}') depth--
      yield { kind: 'symbol', text: char, start: from, end: at, depth }
      if (char === '(' || char === '[' || char === '{') depth++
    }
  }
}

/** The position after white space and comments. */
export function skipBlank(sql: string, start: number): number {
  let at = start
  for (;;) {
    while (at < sql.length && /[\s\0]/.test(sql[at] as string)) at++
    if (sql.startsWith('--', at) || sql.startsWith('# ', at) || sql.startsWith('#!', at)) {
      const end = sql.indexOf('\n', at)
      at = end < 0 ? sql.length : end + 1
    } else if (sql.startsWith('/*', at)) {
      const end = sql.indexOf('*/', at + 2)
      at = end < 0 ? sql.length : end + 2
    } else return at
  }
}

function endOfQuoted(sql: string, start: number, quote: string): number {
  let at = start + 1
  while (at < sql.length) {
    if (sql[at] === '\\') at += 2
    else if (sql[at] !== quote) at++
    else if (sql[at + 1] === quote) at += 2
    else return at + 1
  }
  return sql.length
}

/** `$tag$ … $tag$`; returns `start` when there is none here. */
function endOfHeredoc(sql: string, start: number): number {
  const tag = /^\$[A-Za-z0-9_]*\$/.exec(sql.slice(start, start + 64))?.[0]
  if (tag === undefined) return start
  const end = sql.indexOf(tag, start + tag.length)
  return end < 0 ? start : end + tag.length
}
