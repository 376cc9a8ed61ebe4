// Expressions of meters against vectors, each with its source.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parseExpression } from '../../schemas/catalog/expression.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { eventValue } from '../aggregations/convert.js'
import { ofScaled } from '../steps/ratio.js'
import { scaled } from '../testing/golden-vectors.js'
import { evaluate } from './evaluate.js'

interface ExpressionVector {
  readonly expression: string
  readonly data: unknown
  readonly result: string | null
  readonly source: string
}

const file = `${process.cwd()}/rating/golden/expressions.json`
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly ExpressionVector[] }

for (const { expression, data, result, source } of vectors) {
  it(`${expression} of ${JSON.stringify(data)} is ${result} (${source})`, () => {
    const parsed = parseExpression(expression)
    if (parsed.kind === 'invalid') throw new Error(parsed.expected)
    const { fields, root } = parsed.expression
    const values = fields.map(path => {
      const found = path.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], data)
      return ofScaled(scaled(String(found)))
    })
    const value = evaluate(root, values)
    expect(value === undefined ? null : formatScaled(eventValue(value, {}))).toBe(result)
  })
}
