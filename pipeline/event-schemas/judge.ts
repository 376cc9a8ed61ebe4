// What publishing a schema would be: the version that it gets, and what speaks against it. Pure.

import { isDeepStrictEqual } from 'node:util'
import { breaksOf, type Compatibility, type SchemaBreak } from '../../schemas/event-schemas/compatibility.js'
import { compileSchema, type EventSchema, type JsonSchema } from '../../schemas/event-schemas/event-schema.js'

export type Judged =
  | { readonly kind: 'invalid'; readonly detail: string }
  /** The newest version is this very schema. */
  | { readonly kind: 'known'; readonly version: number }
  | { readonly kind: 'new'; readonly version: number; readonly breaks: readonly SchemaBreak[] }

export function judge(
  schemas: readonly EventSchema[],
  { eventType, schema }: { readonly eventType: string; readonly schema: JsonSchema },
  rule: Compatibility,
): Judged {
  const compiled = compileSchema(schema)
  if (compiled.kind === 'invalid') return compiled
  const newest = newestOf(schemas, eventType)
  if (newest === undefined) return { kind: 'new', version: 1, breaks: [] }
  if (isDeepStrictEqual(newest.schema, schema)) return { kind: 'known', version: newest.version }
  return { kind: 'new', version: newest.version + 1, breaks: breaksOf(newest.schema, schema, rule) }
}

export function newestOf(schemas: readonly EventSchema[], eventType: string): EventSchema | undefined {
  return schemas
    .filter(one => one.eventType === eventType)
    .reduce<EventSchema | undefined>((a, b) => (a === undefined || b.version > a.version ? b : a), undefined)
}
