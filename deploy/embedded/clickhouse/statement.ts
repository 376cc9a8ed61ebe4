// Tells what a request's SQL is, as far as the way to run it depends on it: rows out, data in, or a change.
// Positions are offsets into the text given; callers that pass bytes decode them as latin1, so offsets are bytes.

import { exceptions } from './exception.js'
import { type Token, tokens } from './sql-tokens.js'

export type Statement =
  | { readonly kind: 'empty' }
  /** Returns rows. `joinable`: no subquery and no totals, so it may be fetched in pieces. */
  | {
      readonly kind: 'read'
      readonly end: number
      readonly format: string | null
      readonly joinable: boolean
    }
  /** Changes something, returns nothing; a format that it names is named in the answer. */
  | { readonly kind: 'change'; readonly end: number; readonly format: string | null }
  /** Stops running statements, or mutations, so it must not wait for its turn behind them. */
  | {
      readonly kind: 'kill'
      readonly end: number
      readonly what: 'queries' | 'others'
      readonly format: string | null
    }
  | InsertData

/** An insert whose rows follow the statement. */
export interface InsertData {
  readonly kind: 'insert_data'
  /** `INSERT INTO t (columns)` ends here; the clauses after it are given below. */
  readonly headEnd: number
  /** `SETTINGS …`, wherever it stood, or empty. */
  readonly settings: string
  readonly format: string | null
  /** Where the rows begin; the end of the text if they come apart from it. */
  readonly dataStart: number
}

const readWords = new Set([
  'SELECT',
  'WITH',
  'SHOW',
  'DESC',
  'DESCRIBE',
  'EXPLAIN',
  'EXISTS',
  'CHECK',
  'FROM',
  'USE',
  'SET',
])

export function readStatement(sql: string): Statement {
  const first = tokens(sql).next().value
  if (first === undefined || first.text === ';') return { kind: 'empty' }
  if (first.text === 'INSERT') return readInsert(sql)
  const all = [...tokens(sql, first.start)]
  const end = endOfStatement(sql, all)
  if (first.text === 'KILL') {
    const what = all[1]?.text === 'QUERY' ? 'queries' : 'others'
    if (what === 'others' && all.some(token => token.text === 'SYNC'))
      throw exceptions.notImplemented(
        'KILL MUTATION SYNC never returns in the embedded server; leave SYNC out',
      )
    return { kind: 'kill', end, what, format: formatOf(sql, all) }
  }
  if (first.text !== '(' && !readWords.has(first.text))
    return { kind: 'change', end, format: formatOf(sql, all) }
  const outfile = all.findIndex(token => token.text === 'OUTFILE')
  if (outfile > 0 && all[outfile - 1]?.text === 'INTO') throw exceptions.intoOutfile()
  return { kind: 'read', end, format: formatOf(sql, all), joinable: isJoinable(first, all) }
}

/** One statement per request, as in ClickHouse; a trailing semicolon is cut off. */
function endOfStatement(sql: string, all: readonly Token[]): number {
  const semicolon = all.findIndex(token => token.text === ';' && token.kind === 'symbol')
  if (semicolon < 0) return sql.length
  if (all.slice(semicolon).some(token => token.text !== ';'))
    throw exceptions.syntaxError('Multi-statements are not allowed')
  return (all[semicolon] as Token).start
}

/** `FORMAT name` at the end of a statement, before SETTINGS if any. */
function formatOf(sql: string, all: readonly Token[]): string | null {
  for (let i = all.length - 2; i > 0; i--) {
    const [word, name, after] = [all[i], all[i + 1], all[i + 2]]
    if (word?.text !== 'FORMAT' || word.depth !== 0 || name?.kind !== 'word') continue
    if (after === undefined || after.text === ';' || after.text === 'SETTINGS')
      return sql.slice(name.start, name.end)
  }
  return null
}

function isJoinable(first: Token, all: readonly Token[]): boolean {
  if (first.text !== 'SELECT') return false
  return (
    all.filter(token => token.text === 'SELECT').length === 1 && !all.some(token => token.text === 'TOTALS')
  )
}

function readInsert(sql: string): Statement {
  const seen: Token[] = []
  let settings: Token | undefined
  for (const token of tokens(sql)) {
    const previous = seen.at(-1)
    seen.push(token)
    if (token.depth !== 0) {
      const opens = previous?.text === '(' && token.depth === 1
      if (opens && (token.text === 'SELECT' || token.text === 'WITH')) return insertSelect(sql)
      continue
    }
    // The name of the table, of which each part may be any word.
    if (token.kind !== 'word' || previous === undefined || isNamePlace(seen)) continue
    if (token.text === 'INFILE' && previous.text === 'FROM')
      throw exceptions.unknownTypeOfQuery('Query has infile and was send directly to server')
    if (token.text === 'SELECT' || token.text === 'WITH') return insertSelect(sql)
    if (token.text === 'SETTINGS') settings = token
    if (token.text === 'VALUES') return insertData(sql, settings, token, 'Values', token.end)
    if (token.text === 'FORMAT') return insertFormat(sql, settings, token)
  }
  const end = endOfStatement(sql, seen)
  return {
    kind: 'insert_data',
    headEnd: settings?.start ?? end,
    settings: settings === undefined ? '' : sql.slice(settings.start, end),
    format: null,
    dataStart: sql.length,
  }
}

/** True when the last token stands where `INSERT INTO [TABLE] [FUNCTION] a.b` names things. */
function isNamePlace(seen: readonly Token[]): boolean {
  const before = seen[seen.length - 2]?.text
  if (before === '.') return true
  if (before === 'INSERT') return true
  return before === 'INTO' || before === 'TABLE' || (before === 'FUNCTION' && seen.length <= 5)
}

function insertSelect(sql: string): Statement {
  return { kind: 'change', end: endOfStatement(sql, [...tokens(sql)]), format: null }
}

function insertFormat(sql: string, settings: Token | undefined, format: Token): Statement {
  const following = tokens(sql, format.end)
  const name = following.next().value
  if (name === undefined || name.kind !== 'word') throw exceptions.syntaxError('FORMAT needs a name')
  const formatName = sql.slice(name.start, name.end)
  const late = following.next().value
  if (settings === undefined && late?.text === 'SETTINGS' && late.kind === 'word') {
    const end = endOfSettings(sql, late)
    const moved = insertData(sql, undefined, format, formatName, end)
    return { ...moved, settings: sql.slice(late.start, end) }
  }
  return insertData(sql, settings, format, formatName, name.end)
}

/** `name = value, name = value`: ends where no comma follows a value. */
function endOfSettings(sql: string, settings: Token): number {
  let end = settings.end
  let place = 0
  for (const token of tokens(sql, settings.end)) {
    // A signed number is two tokens and one value.
    const sign = place === 2 && (token.text === '-' || token.text === '+')
    if (place === 3 && token.text !== ',') break
    end = token.end
    if (!sign) place = (place + 1) % 4
  }
  return end
}

function insertData(
  sql: string,
  settings: Token | undefined,
  clause: Token,
  format: string,
  clauseEnd: number,
): InsertData {
  // As the engine does it: spaces, then one line break, belong to the statement; all that follows is data.
  const gap = /^[ \t\f]*\r?\n?/.exec(sql.slice(clauseEnd, clauseEnd + 4096))?.[0].length ?? 0
  return {
    kind: 'insert_data',
    headEnd: settings?.start ?? clause.start,
    settings: settings === undefined ? '' : sql.slice(settings.start, clause.start),
    format,
    dataStart: clauseEnd + gap,
  }
}
