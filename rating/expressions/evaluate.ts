// What an expression of a meter comes to for one event: an exact fraction, so that nothing is rounded on the way.
// Worked example: `ceil(bytes / 1024) * rate` for 1500 bytes at 0.5: ceil(1.46…) = 2, times 0.5 = 1.
// Sources: Lago, "SQL expressions" (+ - / *, ceil, round with places, over event properties); Flexprice, "Custom
// Expression" (ceil, floor, min, max). `round` goes half away from zero, `ceil` and `floor` up and down the number line.

import type { Expression, FunctionName } from '../../schemas/catalog/expression.js'
import { divideRounded } from '../../schemas/money/decimal.js'
import {
  greater,
  lesser,
  minus,
  ofScaled,
  over,
  plus,
  type Ratio,
  ratio,
  times,
  zero,
} from '../steps/ratio.js'

/** Undefined where something is divided by zero. `values`: by field of the expression. */
export function evaluate(expression: Expression, values: readonly Ratio[]): Ratio | undefined {
  switch (expression.kind) {
    case 'number':
      return ofScaled(expression.value)
    case 'field':
      return values[expression.field]!
    case 'negative': {
      const value = evaluate(expression.of, values)
      return value && minus(zero, value)
    }
    case 'call': {
      const args: Ratio[] = []
      for (const arg of expression.args) {
        const value = evaluate(arg, values)
        if (value === undefined) return undefined
        args.push(value)
      }
      return call(expression.name, args)
    }
    default: {
      const left = evaluate(expression.left, values)
      const right = evaluate(expression.right, values)
      return left && right && operate(expression.kind, left, right)
    }
  }
}

function operate(sign: '+' | '-' | '*' | '/', left: Ratio, right: Ratio): Ratio | undefined {
  switch (sign) {
    case '+':
      return plus(left, right)
    case '-':
      return minus(left, right)
    case '*':
      return times(left, right)
    case '/':
      return right.numerator === 0n ? undefined : over(left, right)
    default:
      return sign satisfies never
  }
}

function call(name: FunctionName, args: readonly Ratio[]): Ratio {
  const value = args[0]!
  switch (name) {
    case 'min':
      return args.reduce(lesser)
    case 'max':
      return args.reduce(greater)
    case 'abs':
      return greater(value, minus(zero, value))
    case 'floor':
      return floorTo(value, args[1] ?? zero)
    case 'ceil':
      return minus(zero, floorTo(minus(zero, value), args[1] ?? zero))
    case 'round':
      return roundTo(value, args[1] ?? zero)
    default:
      return name satisfies never
  }
}

function floorTo({ numerator, denominator }: Ratio, places: Ratio): Ratio {
  const scale = 10n ** places.numerator
  const scaled = numerator * scale
  const quotient = scaled / denominator
  return ratio(scaled < quotient * denominator ? quotient - 1n : quotient, scale)
}

function roundTo({ numerator, denominator }: Ratio, places: Ratio): Ratio {
  const scale = 10n ** places.numerator
  return ratio(divideRounded(numerator * scale, denominator), scale)
}
