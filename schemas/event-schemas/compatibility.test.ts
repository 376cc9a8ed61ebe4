// What breaks between two versions of a schema: by name, and held against a validator with random schemas and values.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { breaksOf, type Compatibility } from './compatibility.js'
import { compileSchema, type JsonSchema } from './event-schema.js'

const base: JsonSchema = {
  type: 'object',
  properties: { tokens: { type: 'integer', minimum: 0 }, model: { enum: ['a', 'b'] } },
  required: ['tokens'],
}
const withProperty = (name: string, schema: unknown, more: object = {}): JsonSchema => ({
  ...base,
  properties: { ...(base['properties'] as object), [name]: schema },
  ...more,
})
const closed = { ...base, additionalProperties: false }

test.each<[string, JsonSchema, JsonSchema, Compatibility, string[]]>([
  ['a new optional field', base, withProperty('x', { type: 'string' }), 'full', []],
  ['a new required field', base, withProperty('x', {}, { required: ['tokens', 'x'] }), 'backward', ['/x']],
  ['the same, forward', base, withProperty('x', {}, { required: ['tokens', 'x'] }), 'forward', []],
  ['a field no longer required, forward', base, { ...base, required: [] }, 'forward', ['/tokens']],
  ['a wider type', base, withProperty('tokens', { type: 'number', minimum: 0 }), 'backward', []],
  [
    'a wider type, forward',
    base,
    withProperty('tokens', { type: 'number', minimum: 0 }),
    'forward',
    ['/tokens'],
  ],
  [
    'a higher minimum',
    base,
    withProperty('tokens', { type: 'integer', minimum: 1 }),
    'backward',
    ['/tokens'],
  ],
  ['a value less', base, withProperty('model', { enum: ['a'] }), 'backward', ['/model']],
  ['a value more, forward', base, withProperty('model', { enum: ['a', 'b', 'c'] }), 'forward', ['/model']],
  ['closed now', base, closed, 'backward', ['/*']],
  [
    'a new field of a closed one, forward',
    closed,
    withProperty('x', {}, { additionalProperties: false }),
    'forward',
    ['/x'],
  ],
  ['a pattern', base, withProperty('model', { enum: ['a', 'b'], pattern: '^a' }), 'backward', ['/model']],
  ['other items', { items: { type: 'integer' } }, { items: { type: 'string' } }, 'backward', ['/*']],
  ['texts for people', base, { ...base, title: 'other', $comment: 'x' }, 'full', []],
  ['everything, where nothing is asked', base, { type: 'string' }, 'none', []],
])('%s', (_name, before, after, rule, pointers) => {
  const breaks = breaksOf(before, after, rule)
  expect(breaks.map(({ pointer }) => pointer)).toEqual(pointers)
  for (const { detail } of breaks) expect(detail).toMatch(/taken|cannot be compared/)
})

const names = ['a', 'b', 'c'] as const
const leaf: fc.Arbitrary<JsonSchema> = fc.oneof(
  fc.record({ type: fc.constantFrom('integer', 'number', 'string', 'boolean') }),
  fc.record({ type: fc.constant('integer'), minimum: fc.nat(3), maximum: fc.integer({ min: 3, max: 5 }) }),
  fc.record({ enum: fc.uniqueArray(fc.constantFrom(0, 1, 'x', true), { minLength: 1 }) }),
  fc.record({ type: fc.constant('string'), minLength: fc.nat(2) }),
  fc.record({ type: fc.constant('array'), items: fc.record({ type: fc.constantFrom('integer', 'string') }) }),
  fc.constant({}),
)
const objects: fc.Arbitrary<JsonSchema> = fc.record({
  type: fc.constant('object'),
  properties: fc.dictionary(fc.constantFrom(...names), leaf, { noNullPrototype: true }),
  required: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 1 }),
  additionalProperties: fc.boolean(),
})
/** A schema, and what became of it: a field is another, or is required no longer, or all may come. */
const changed = fc
  .tuple(objects, fc.constantFrom(...names), leaf, fc.constantFrom('field', 'required', 'open', 'all'))
  .chain(([before, name, schema, how]): fc.Arbitrary<readonly [JsonSchema, JsonSchema]> => {
    if (how === 'required') return fc.constant([before, { ...before, required: [] }])
    if (how === 'open') return fc.constant([before, { ...before, additionalProperties: true }])
    if (how === 'all') return objects.map(after => [before, after])
    const properties = { ...(before['properties'] as object), [name]: schema }
    return fc.constant([before, { ...before, properties }])
  })
const values = fc.dictionary(
  fc.constantFrom(...names),
  fc.constantFrom<unknown>(0, 1, 4, 1.5, 'x', '', true, [], [1], ['x'], null),
  { noNullPrototype: true },
)

/** Only fields that the schema names: the others count as not sent. */
function named(value: object, { properties }: JsonSchema): object {
  return Object.fromEntries(
    Object.entries(value).filter(([name]) => Object.hasOwn(properties as object, name)),
  )
}

test('where nothing breaks, what one version takes the other takes', () => {
  const runs = Number(process.env['WEIR_SCHEMA_RUNS'] ?? 150)
  let compared = 0
  fc.assert(
    fc.property(changed, fc.array(values, { minLength: 5, maxLength: 20 }), ([before, after], samples) => {
      if (breaksOf(before, after, 'backward').length > 0) return
      const [old, now] = [compileSchema(before), compileSchema(after)]
      if (old.kind !== 'ok' || now.kind !== 'ok') throw new Error('a schema does not compile')
      for (const sample of samples.map(value => named(value, before))) {
        if (old.faultOf(sample) !== undefined) continue
        compared += 1
        expect(now.faultOf(sample), JSON.stringify([before, after, sample])).toBeUndefined()
      }
    }),
    { numRuns: runs, seed: 14 },
  )
  expect(compared).toBeGreaterThan(runs / 20)
})
