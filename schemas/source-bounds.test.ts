// Texts that would take a parser minutes are refused before it reads them.

import { expect, test } from 'vitest'
import { parseCatalog } from './catalog/catalog-parser.js'
import { maxSourceLength, sourceBoundProblem } from './source-bounds.js'

const deep: readonly (readonly [string, string])[] = [
  ['brackets', '['.repeat(2_000_000)],
  ['maps in brackets', '{a: '.repeat(1_000_000)],
  ['dashes on one line', '- '.repeat(1_000_000)],
  ['keys on one line', 'a: '.repeat(1_000_000)],
  ['question marks', '? '.repeat(1_000_000)],
  ['ever deeper lines', Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
  ['ever deeper dashes', Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}-`).join('\n')],
  ['deep after a good beginning', `meters: []\nplans:\n${'['.repeat(1_000)}`],
]

test.each(deep)('a catalog of %s is refused before it is parsed', (_name, text) => {
  const parsed = parseCatalog(text, 'hostile.yaml')
  expect(parsed.kind).toBe('invalid')
  expect(parsed.kind === 'invalid' && parsed.problems.map(problem => problem.code)).toEqual([
    'source_too_deep',
  ])
})

test('a text that is too long is refused with its bound', () => {
  const parsed = parseCatalog(`# ${'x'.repeat(maxSourceLength)}`, 'long.yaml')
  expect(parsed).toMatchObject({ kind: 'invalid', problems: [{ code: 'source_too_large', line: 1 }] })
})

test('the place of what is too deep is told', () => {
  expect(sourceBoundProblem(`a: 1\nb: ${'['.repeat(300)}`)).toMatchObject({
    line: 2,
    code: 'source_too_deep',
  })
})

test('long lists, long lines and texts with brackets and dashes are no nesting', () => {
  const rows = Array.from({ length: 5_000 }, (_, i) => `  - { price: p${i}, amount: "1" } # [see - a: b]`)
  expect(sourceBoundProblem(`plans:\n${rows.join('\n')}`)).toBeUndefined()
  expect(sourceBoundProblem(JSON.stringify({ plans: rows, note: 'a - b: c ? d' }))).toBeUndefined()
  const text = Array.from({ length: 1_000 }, () => 'text: one - two - three: four').join('\n')
  expect(sourceBoundProblem(text)).toBeUndefined()
})
