// Whether a version of a schema goes with the one before it. Pure.
//
// One question, asked in one direction or in both: does `wide` take every value that `narrow` takes? Fields that `narrow` does not
// name count as not sent, so a new optional field breaks nothing. What cannot be compared (`$ref`, `anyOf` and the like) goes only
// where it stands unchanged.

import { isDeepStrictEqual } from 'node:util'
import { pointerTo } from '../rejection.js'
import type { JsonSchema } from './event-schema.js'

export const compatibilities = ['backward', 'forward', 'full', 'none'] as const
/** `backward`: what fitted before fits still. `forward`: what fits now fitted before. `full`: both. */
export type Compatibility = (typeof compatibilities)[number]

export interface SchemaBreak {
  /** JSON pointer into `data`; `*` stands for any item or further field. */
  readonly pointer: string
  readonly detail: string
}

export function breaksOf(before: JsonSchema, after: JsonSchema, rule: Compatibility): readonly SchemaBreak[] {
  const backward =
    rule === 'backward' || rule === 'full' ? notTaken(before, after, '', 'was taken before') : []
  const forward = rule === 'forward' || rule === 'full' ? notTaken(after, before, '', 'is taken now') : []
  return [...backward, ...forward]
}

type Schema = JsonSchema | boolean
type Which = 'was taken before' | 'is taken now'

/** Where `wide` may refuse what `narrow` takes. */
function notTaken(narrow: unknown, wide: unknown, pointer: string, which: Which): readonly SchemaBreak[] {
  if (narrow === false || wide === true || wide === undefined) return []
  if (wide === false) return [{ pointer, detail: `a value ${which}; the other version takes none` }]
  const [inner, outer] = [asSchema(narrow), asSchema(wide)]
  const found: SchemaBreak[] = []
  const add = (at: string, detail: string) => found.push({ pointer: at, detail: `${detail}: it ${which}` })
  for (const [at, detail] of [
    ...typeBreaks(inner, outer),
    ...boundBreaks(inner, outer),
    ...requiredBreaks(inner, outer),
  ])
    add(`${pointer}${at}`, detail)
  for (const key of Object.keys(outer)) {
    if (compared.has(key) || annotations.has(key) || isDeepStrictEqual(inner[key], outer[key])) continue
    add(pointer, `${key} is other, or only in one version, and cannot be compared`)
  }
  return [...found, ...fieldBreaks(inner, outer, pointer, which), ...itemBreaks(inner, outer, pointer, which)]
}

function asSchema(schema: unknown): JsonSchema & { readonly [key: string]: unknown } {
  return typeof schema === 'object' && schema !== null ? (schema as JsonSchema) : {}
}

const annotations: ReadonlySet<string> = new Set([
  ...[
    '$schema',
    '$id',
    '$comment',
    'title',
    'description',
    'default',
    'examples',
    'deprecated',
    'readOnly',
    'writeOnly',
  ],
])
const lower = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'] as const
const upper = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'] as const
const compared: ReadonlySet<string> = new Set([
  ...['type', 'enum', 'const', 'required', 'properties', 'additionalProperties', 'items', ...lower, ...upper],
])

type Found = readonly [pointer: string, detail: string]

function typeBreaks(inner: JsonSchema, outer: JsonSchema): readonly Found[] {
  const found: Found[] = []
  const [taken, allowed] = [typesOf(inner), typesOf(outer)]
  const lost = taken.filter(
    type => !allowed.includes(type) && !(type === 'integer' && allowed.includes('number')),
  )
  if (lost.length > 0) found.push(['', `the type ${lost.join(', ')} is not taken`])
  const [values, choices] = [valuesOf(inner), valuesOf(outer)]
  if (choices === undefined) return found
  if (values === undefined) found.push(['', 'only listed values are taken'])
  else {
    const gone = values.filter(value => !choices.some(choice => isDeepStrictEqual(choice, value)))
    if (gone.length > 0)
      found.push(['', `the value ${gone.map(value => JSON.stringify(value)).join(', ')} is not taken`])
  }
  return found
}

const allTypes = ['null', 'boolean', 'number', 'string', 'array', 'object'] as const

function typesOf({ type }: JsonSchema): readonly string[] {
  if (typeof type === 'string') return [type]
  return Array.isArray(type) ? type.map(String) : allTypes
}

function valuesOf(schema: JsonSchema): readonly unknown[] | undefined {
  if ('const' in schema) return [schema['const']]
  return Array.isArray(schema['enum']) ? schema['enum'] : undefined
}

function boundBreaks(inner: JsonSchema, outer: JsonSchema): readonly Found[] {
  const tighter = (name: string, isTighter: (ours: number, theirs: number) => boolean): readonly Found[] => {
    const [was, is] = [inner[name], outer[name]]
    if (typeof is !== 'number' || (typeof was === 'number' && !isTighter(is, was))) return []
    return [['', `${name} is ${is}${typeof was === 'number' ? `, not ${was}` : ''}`]]
  }
  return [
    ...lower.flatMap(name => tighter(name, (ours, theirs) => ours > theirs)),
    ...upper.flatMap(name => tighter(name, (ours, theirs) => ours < theirs)),
  ]
}

function requiredBreaks(inner: JsonSchema, outer: JsonSchema): readonly Found[] {
  const sent = new Set(namesIn(inner['required']))
  return namesIn(outer['required'])
    .filter(name => !sent.has(name))
    .map((name): Found => [pointerTo('', name), 'the field is required'])
}

function namesIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function fieldBreaks(
  inner: JsonSchema,
  outer: JsonSchema,
  pointer: string,
  which: Which,
): readonly SchemaBreak[] {
  const [named, known] = [asSchema(inner['properties']), asSchema(outer['properties'])]
  const others = outer['additionalProperties'] as Schema | undefined
  const ofNamed = Object.keys(named).flatMap(name =>
    notTaken(named[name], Object.hasOwn(known, name) ? known[name] : others, pointerTo(pointer, name), which),
  )
  const innerOthers = inner['additionalProperties']
  if (innerOthers === undefined || innerOthers === true) {
    if (others !== false) return ofNamed
    return [
      ...ofNamed,
      { pointer: `${pointer}/*`, detail: `further fields are not taken: such a value ${which}` },
    ]
  }
  return [...ofNamed, ...notTaken(innerOthers, others, `${pointer}/*`, which)]
}

function itemBreaks(
  inner: JsonSchema,
  outer: JsonSchema,
  pointer: string,
  which: Which,
): readonly SchemaBreak[] {
  return notTaken(inner['items'] ?? true, outer['items'], `${pointer}/*`, which)
}
