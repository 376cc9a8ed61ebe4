// The part of SOQL that the tests' org understands: what Weir asks, and no more.

import type { CrmRecord } from '../../quotes/deal.js'

export interface Soql {
  readonly object: string
  readonly fields: readonly string[]
  readonly isCount: boolean
  matches(record: CrmRecord): boolean
  readonly order: readonly string[]
  readonly limit: number
}

/** Throws on anything else. */
export function parseSoql(text: string): Soql {
  const read =
    /^SELECT (.+?) FROM (\w+)(?: WHERE (.+?))?(?: ORDER BY (.+?))?(?: LIMIT (\d+))?$/.exec(text) ?? fail(text)
  const [, fields = '', object = '', where, order = '', limit] = read
  return {
    object,
    fields: fields.split(',').map(one => one.trim()),
    isCount: fields === 'COUNT()',
    matches: where === undefined ? () => true : conditionOf(where),
    order: order === '' ? [] : order.split(',').map(one => one.trim()),
    limit: limit === undefined ? Number.POSITIVE_INFINITY : Number(limit),
  }
}

function fail(text: string): never {
  throw new Error(`MALFORMED_QUERY: ${text}`)
}

type Condition = (record: CrmRecord) => boolean

function conditionOf(text: string): Condition {
  const parts = splitTop(text, ' AND ')
  if (parts.length > 1) {
    const all = parts.map(conditionOf)
    return record => all.every(one => one(record))
  }
  const others = splitTop(text, ' OR ')
  if (others.length > 1) {
    const any = others.map(conditionOf)
    return record => any.some(one => one(record))
  }
  if (text.startsWith('(') && text.endsWith(')')) return conditionOf(text.slice(1, -1))
  const list = /^(\w+) IN \((.*)\)$/.exec(text)
  if (list !== null) {
    const wanted = new Set([...(list[2] ?? '').matchAll(/'([^']*)'/g)].map(one => one[1]))
    return record => wanted.has(String(record[list[1] ?? '']))
  }
  const [, field = '', operator = '', value = ''] = /^(\w+) (>=|<=|>|<|=) (.+)$/.exec(text) ?? fail(text)
  const wanted = field === 'SystemModstamp' ? Date.parse(value) : value.replaceAll("'", '')
  return record => {
    const found = field === 'SystemModstamp' ? Date.parse(String(record[field])) : String(record[field])
    switch (operator) {
      case '>=':
        return found >= wanted
      case '<=':
        return found <= wanted
      case '>':
        return found > wanted
      case '<':
        return found < wanted
      default:
        return found === wanted
    }
  }
}

/** At the word, outside of brackets. */
function splitTop(text: string, word: string): string[] {
  const parts: string[] = []
  let [depth, from] = [0, 0]
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '(') depth += 1
    if (text[at] === ')') depth -= 1
    if (depth > 0 || !text.startsWith(word, at)) continue
    parts.push(text.slice(from, at))
    from = at + word.length
  }
  return [...parts, text.slice(from)]
}
