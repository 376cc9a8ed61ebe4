// Evaluates the formula of a step from its values as they are on the wire, with decimal.js at 300 digits. For
// tests alone; shares no code with what it tests.

import { Decimal as DecimalJs } from 'decimal.js'

const Decimal = DecimalJs.clone({ precision: 300, rounding: DecimalJs.ROUND_HALF_UP })
type Decimal = DecimalJs

/** Digits of a quotient beyond these places are noise, which could move a number across a whole or a half. */
const cleanPlaces = 150

export function numberOf(text: string): Decimal {
  const [numerator, denominator] = text.split('/') as [string, string?]
  return denominator === undefined ? new Decimal(numerator) : new Decimal(numerator).div(denominator)
}

export function isEqual(a: Decimal, b: Decimal): boolean {
  return clean(a).eq(clean(b))
}

export function evaluate(formula: string, values: Readonly<Record<string, string>>): Decimal {
  const tokens = formula.match(/[a-z_][a-z0-9_]*|\d+|[-+*/(),]/g) ?? []
  const reader = { tokens, at: 0, values }
  const result = sum(reader)
  if (reader.at !== tokens.length) throw new Error(`${formula}: ${tokens[reader.at]} is left over`)
  return result
}

interface Reader {
  readonly tokens: readonly string[]
  readonly values: Readonly<Record<string, string>>
  at: number
}

function sum(reader: Reader): Decimal {
  let total = product(reader)
  for (;;) {
    if (take(reader, '+')) total = total.plus(product(reader))
    else if (take(reader, '-')) total = total.minus(product(reader))
    else return total
  }
}

function product(reader: Reader): Decimal {
  let total = factor(reader)
  for (;;) {
    if (take(reader, '*')) total = total.mul(factor(reader))
    else if (take(reader, '/')) total = total.div(factor(reader))
    else return total
  }
}

function factor(reader: Reader): Decimal {
  const token = reader.tokens[reader.at]
  reader.at += 1
  if (token === undefined) throw new Error('the formula ends early')
  if (token === '(') {
    const inner = sum(reader)
    expectToken(reader, ')')
    return inner
  }
  if (/^\d/.test(token)) return new Decimal(token)
  if (reader.tokens[reader.at] === '(') return call(reader, token)
  const value = reader.values[token]
  if (value === undefined) throw new Error(`the formula names ${token}, which has no value`)
  return numberOf(value)
}

function call(reader: Reader, name: string): Decimal {
  expectToken(reader, '(')
  const parameters = [sum(reader)]
  while (take(reader, ',')) parameters.push(sum(reader))
  expectToken(reader, ')')
  const [first, second] = parameters as [Decimal, Decimal]
  switch (name) {
    case 'min':
      return Decimal.min(...parameters)
    case 'max':
      return Decimal.max(...parameters)
    case 'ceil':
      return clean(first).ceil()
    case 'round':
      return clean(first).toDecimalPlaces(second.toNumber(), DecimalJs.ROUND_HALF_UP)
    case 'round_half_even':
      return clean(first).toDecimalPlaces(second.toNumber(), DecimalJs.ROUND_HALF_EVEN)
    default:
      throw new Error(`there is no function ${name}`)
  }
}

function take(reader: Reader, token: string): boolean {
  if (reader.tokens[reader.at] !== token) return false
  reader.at += 1
  return true
}

function expectToken(reader: Reader, token: string): void {
  if (!take(reader, token)) throw new Error(`${token} is missing`)
}

function clean(value: Decimal): Decimal {
  return value.toDecimalPlaces(cleanPlaces, DecimalJs.ROUND_HALF_UP)
}
