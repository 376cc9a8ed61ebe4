// Patterns of schemas: what is slow elsewhere is matched at once, and what cannot be is refused with its reason.

import { expect, test } from 'vitest'
import { compileSchema, type JsonSchema } from './event-schema.js'
import { maxTestedLength } from './linear-pattern.js'

function compiled(schema: JsonSchema) {
  const one = compileSchema(schema)
  if (one.kind === 'invalid') throw new Error(one.detail)
  return (data: unknown) => one.faultOf(data)?.detail
}

test('a pattern that would take for ever by backtracking is answered at once', () => {
  const faultOf = compiled({ type: 'string', pattern: '^(a+)+$' })
  expect(faultOf('a'.repeat(30_000))).toBeUndefined()
  expect(faultOf(`${'a'.repeat(30_000)}!`)).toMatch(/must match pattern/)
  const names = compiled({ type: 'object', patternProperties: { '^(x|x)*$': { type: 'integer' } } })
  expect(names({ [`${'x'.repeat(5_000)}!`]: 'any', xx: 1 })).toBeUndefined()
  expect(names({ xx: 'one' })).toMatch(/must be integer/)
})

test('two patterns of one schema are held apart', () => {
  const faultOf = compiled({
    type: 'object',
    properties: {
      sku: { type: 'string', pattern: '^[A-Z]{2}-\\d{3}$' },
      region: { type: 'string', pattern: '^\\u0065u' },
    },
  })
  expect(faultOf({ sku: 'AB-123', region: 'eu-west' })).toBeUndefined()
  expect(faultOf({ sku: 'AB-123', region: 'AB-123' })).toMatch(/properties\/region/)
  expect(faultOf({ sku: 'eu-west' })).toMatch(/properties\/sku/)
})

test.each([
  ['looking ahead', '^(?=a)', /cannot be matched in linear time/],
  ['referring back', '^(a)\\1$', /cannot be matched in linear time/],
  ['too many repetitions', '[a-z]{900}[0-9]{900}.{900}', /repeats too much/],
  ['too long', 'a'.repeat(1_001), /longer than 1000 characters/],
])('a pattern is refused: %s', (_name, pattern, words) => {
  expect(compileSchema({ type: 'string', pattern })).toMatchObject({
    kind: 'invalid',
    detail: expect.stringMatching(words),
  })
})

test('a text that is too long fits no pattern', () => {
  const faultOf = compiled({ type: 'string', pattern: '^a' })
  expect(faultOf('a'.repeat(maxTestedLength))).toBeUndefined()
  expect(faultOf('a'.repeat(maxTestedLength + 1))).toMatch(/must match pattern/)
})
