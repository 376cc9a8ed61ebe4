// Values from JSON Schemas: arbitraries of what a schema takes, and of what it does not take.
// Invariant: a schema with a keyword that is not known here is an error, so that no rule of the document is passed over.

import fc from 'fast-check'
import { type Json, type OpenApi, resolved } from './document.js'

const known = new Set([
  ...['$ref', 'type', 'const', 'enum', 'anyOf', 'properties', 'required', 'additionalProperties', 'items'],
  ...[
    'propertyNames',
    'minItems',
    'maxItems',
    'minLength',
    'maxLength',
    'minimum',
    'maximum',
    'format',
    'pattern',
  ],
  ...['contentEncoding', 'description', 'examples', 'default', 'title'],
])

/** The last instant that Weir takes, and the first. */
const instants = {
  min: new Date('1970-01-01T00:00:00Z'),
  max: new Date('2199-12-31T00:00:00Z'),
  noInvalidDate: true,
}

/** Before now: what happens in the future is not taken everywhere. */
const lately = new Date('2026-01-01T00:00:00Z')

/** Values that the schema takes. */
export function valuesOf(document: OpenApi, given: Json): fc.Arbitrary<unknown> {
  const schema = resolved(document, given)
  for (const name of Object.keys(schema)) if (!known.has(name)) throw new Error(`no values for ${name}`)
  if ('const' in schema) return fc.constant(schema['const'])
  if ('enum' in schema) return fc.constantFrom(...(schema['enum'] as unknown[]))
  if ('anyOf' in schema) return fc.oneof(...(schema['anyOf'] as Json[]).map(one => valuesOf(document, one)))
  switch (schema['type']) {
    case undefined:
      return fc.jsonValue({ maxDepth: 2 })
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
    case 'number':
      return integers(schema)
    case 'string':
      return texts(schema)
    case 'array':
      return fc.array(valuesOf(document, (schema['items'] ?? {}) as Json), {
        minLength: (schema['minItems'] ?? 0) as number,
        maxLength: Math.min((schema['maxItems'] ?? 4) as number, 4),
      })
    case 'object':
      return objects(document, schema)
    default:
      throw new Error(`no values for the type ${String(schema['type'])}`)
  }
}

function integers({ minimum, maximum }: Json): fc.Arbitrary<number> {
  return fc.integer({
    min: Math.max((minimum ?? -1e6) as number, -1e6),
    max: Math.min((maximum ?? 1e6) as number, 1e9),
  })
}

function texts({ format, pattern, minLength, maxLength, examples }: Json): fc.Arbitrary<string> {
  if (format === 'base64') return fc.base64String({ maxLength: 40 })
  if (format === 'date-time')
    return fc
      .oneof({ weight: 3, arbitrary: fc.date({ ...instants, max: lately }) }, fc.date(instants))
      .map(date => date.toISOString())
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern))
  if (format !== undefined) throw new Error(`no values for the format ${String(format)}`)
  const free = fc
    .string({
      unit: 'grapheme',
      minLength: (minLength ?? 0) as number,
      maxLength: Math.min((maxLength ?? 60) as number, 60),
    })
    // Text is trimmed where it names something, and U+0000 is no text to anybody.
    .filter(text => text.trim().length >= ((minLength ?? 0) as number) && !text.includes('\u0000'))
  return Array.isArray(examples) ? fc.oneof(free, fc.constantFrom(...(examples as string[]))) : free
}

function objects(document: OpenApi, schema: Json): fc.Arbitrary<Json> {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>
  const members = Object.fromEntries(
    Object.entries(properties).map(([name, member]) => [name, valuesOf(document, member)]),
  )
  const requiredKeys = (schema['required'] ?? []) as never[]
  const named = fc.record<Record<string, unknown>>(members, { requiredKeys, noNullPrototype: true })
  const further = schema['additionalProperties']
  if (typeof further !== 'object' || further === null) return named
  const names = fc.stringMatching(/^[a-z]{1,8}$/).filter(name => !(name in properties))
  return fc
    .tuple(
      fc.dictionary(names, valuesOf(document, further as Json), { maxKeys: 3, noNullPrototype: true }),
      named,
    )
    .map(([others, own]) => ({ ...others, ...own }))
}

/** A body that is damaged in one place: a member gone, of another type, or unknown. */
export function damaged(value: unknown): fc.Arbitrary<unknown> {
  const odd = fc.constantFrom<unknown>(
    null,
    true,
    -1,
    1.5,
    '',
    'x',
    [],
    {},
    [null],
    { a: { b: [] } },
    '\u0000',
    1e308,
  )
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return odd
  const names = Object.keys(value)
  const added = odd.map(other => ({ ...value, 'unknown/~member': other }))
  if (names.length === 0) return fc.oneof(odd, added)
  const changed = fc
    .tuple(fc.constantFrom(...names), odd)
    .map(([name, other]) => ({ ...value, [name]: other }))
  const without = fc.constantFrom(...names).map(name => {
    const { [name]: _gone, ...rest } = value as Record<string, unknown>
    return rest
  })
  return fc.oneof(odd, added, changed, without)
}
