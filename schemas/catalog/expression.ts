// Expressions of meters: arithmetic over `data`, read from text into a tree. rating/expressions computes it.
//
//   sum     = product { ("+" | "-") product }
//   product = factor { ("*" | "/") factor }
//   factor  = "-" factor | number | field | function "(" sum { "," sum } ")" | "(" sum ")"
//   field   = step { "." step }, a path into data; a step is a name, or any text in backquotes
//
// Functions: min, max (two or more arguments), abs, and ceil, floor, round, whose second is a number of places, 0 to 12.
// Invariants: nothing loops; length, depth and number of fields are bounded; an expression reads at least one field.

import { parseDecimal, type Scaled, scaledOne } from '../money/decimal.js'

export type Expression =
  | { readonly kind: 'number'; readonly value: Scaled }
  /** The number of the field in `fields`. */
  | { readonly kind: 'field'; readonly field: number }
  | { readonly kind: 'negative'; readonly of: Expression }
  | {
      readonly kind: '+' | '-' | '*' | '/'
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'call'; readonly name: FunctionName; readonly args: readonly Expression[] }

export interface ParsedExpression {
  readonly root: Expression
  /** Paths into `data`, each once, in the order of the text. */
  readonly fields: readonly (readonly string[])[]
}

export type ExpressionResult =
  | { readonly kind: 'ok'; readonly expression: ParsedExpression }
  /** `at`: the character, counted from 1. */
  | { readonly kind: 'invalid'; readonly at: number; readonly expected: string }

export const mostCharacters = 1_000
export const mostFields = 32
export const deepest = 32

/** How many arguments each takes. */
const functions = {
  min: [2, mostFields],
  max: [2, mostFields],
  abs: [1, 1],
  ceil: [1, 2],
  floor: [1, 2],
  round: [1, 2],
} as const satisfies Readonly<Record<string, readonly [number, number]>>

export type FunctionName = keyof typeof functions

const mostPlaces = 12n

export function parseExpression(text: string): ExpressionResult {
  const parser = new ExpressionParser(text)
  try {
    return { kind: 'ok', expression: parser.whole() }
  } catch (error) {
    if (!(error instanceof Unexpected)) throw error
    return { kind: 'invalid', at: error.at + 1, expected: error.message }
  }
}

/** Thrown inside the parser alone. */
class Unexpected extends Error {
  readonly at: number

  constructor(at: number, expected: string) {
    super(expected)
    this.at = at
  }
}

class ExpressionParser {
  readonly #text: string
  #at = 0
  #depth = 0
  readonly #fields: (readonly string[])[] = []

  constructor(text: string) {
    this.#text = text
  }

  whole(): ParsedExpression {
    if (this.#text.length > mostCharacters) {
      throw new Unexpected(mostCharacters, `the end after at most ${mostCharacters} characters`)
    }
    const root = this.#sum()
    if (this.#peek() !== '') throw this.#unexpected('an operator (+ - * /) or the end')
    if (this.#fields.length === 0) throw new Unexpected(0, 'at least one field of data')
    return { root, fields: this.#fields }
  }

  #sum(): Expression {
    let left = this.#product()
    for (let sign = this.#peek(); sign === '+' || sign === '-'; sign = this.#peek()) {
      this.#at += 1
      left = { kind: sign, left, right: this.#product() }
    }
    return left
  }

  #product(): Expression {
    let left = this.#factor()
    for (let sign = this.#peek(); sign === '*' || sign === '/'; sign = this.#peek()) {
      this.#at += 1
      left = { kind: sign, left, right: this.#factor() }
    }
    return left
  }

  #factor(): Expression {
    this.#depth += 1
    if (this.#depth > deepest) throw this.#unexpected(`at most ${deepest} levels of parentheses and signs`)
    const found = this.#one()
    this.#depth -= 1
    return found
  }

  #one(): Expression {
    const next = this.#peek()
    if (next === '-') {
      this.#at += 1
      return { kind: 'negative', of: this.#factor() }
    }
    if (next === '(') {
      this.#at += 1
      const inner = this.#sum()
      this.#take(')', 'an operator (+ - * /) or )')
      return inner
    }
    if (/[0-9]/.test(next)) return this.#number()
    if (/[A-Za-z_`$]/.test(next)) return this.#fieldOrCall()
    throw this.#unexpected('a number, a field of data, a function or (')
  }

  #number(): Expression {
    const text = /^[0-9]+(\.[0-9]+)?/.exec(this.#text.slice(this.#at))![0]
    const parsed = parseDecimal(text)
    if (parsed.kind !== 'ok')
      throw this.#unexpected('a number of at most 26 digits before and 12 after the point')
    this.#at += text.length
    if (/[A-Za-z0-9_.`]/.test(this.#text.charAt(this.#at)))
      throw this.#unexpected('an operator after the number')
    return { kind: 'number', value: parsed.value }
  }

  #fieldOrCall(): Expression {
    const from = this.#at
    if (this.#text.startsWith('$.', from)) this.#at += 2
    const path = [this.#step()]
    const isName = this.#text.charAt(from) !== '`'
    if (isName && this.#peek() === '(') return this.#call(path[0]!, from)
    while (this.#text.charAt(this.#at) === '.') {
      this.#at += 1
      path.push(this.#step())
    }
    return { kind: 'field', field: this.#numberOf(path, from) }
  }

  #step(): string {
    const quoted = /^`([^`]+)`/.exec(this.#text.slice(this.#at))
    const found = quoted ?? /^([A-Za-z_][A-Za-z0-9_]*)/.exec(this.#text.slice(this.#at))
    if (found === null)
      throw this.#unexpected('the name of a field, in backquotes where it has other characters')
    this.#at += found[0].length
    return found[1]!
  }

  #numberOf(path: readonly string[], from: number): number {
    const known = this.#fields.findIndex(
      one => one.length === path.length && one.every((step, n) => step === path[n]),
    )
    if (known >= 0) return known
    if (this.#fields.length === mostFields) throw new Unexpected(from, `at most ${mostFields} fields`)
    return this.#fields.push(path) - 1
  }

  #call(name: string, from: number): Expression {
    if (!Object.hasOwn(functions, name)) {
      throw new Unexpected(from, `a function: one of ${Object.keys(functions).join(', ')}`)
    }
    const [least, most] = functions[name as FunctionName]
    this.#take('(', '(')
    const args = [this.#sum()]
    while (this.#peek() === ',' && args.length < most) {
      this.#at += 1
      args.push(name === 'min' || name === 'max' ? this.#sum() : this.#places())
    }
    if (args.length < least) this.#take(',', `a comma: ${name} takes ${least} arguments or more`)
    this.#take(')', args.length < most ? 'an operator, a comma or )' : 'an operator or )')
    return { kind: 'call', name: name as FunctionName, args }
  }

  #places(): Expression {
    this.#peek()
    const from = this.#at
    const places = this.#factor()
    const isPlaces =
      places.kind === 'number' && places.value % scaledOne === 0n && places.value <= mostPlaces * scaledOne
    if (!isPlaces) throw new Unexpected(from, 'a whole number of places from 0 to 12')
    return places
  }

  /** The next character that is no white space; '' at the end. */
  #peek(): string {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at += 1
    return this.#text.charAt(this.#at)
  }

  #take(sign: string, expected: string): void {
    if (this.#peek() !== sign) throw this.#unexpected(expected)
    this.#at += 1
  }

  #unexpected(expected: string): Unexpected {
    return new Unexpected(this.#at, expected)
  }
}
