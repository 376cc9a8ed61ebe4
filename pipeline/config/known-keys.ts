// The keys that a schema takes at a place, so that a misspelt one is told what it may have been.

import { z } from 'zod'

/** Of a place that may have one of several shapes, the keys of all of them; none where it takes any key. */
export function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  return [...new Set(shapesAt(schema, path).flatMap(Object.keys))]
}

function shapesAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly z.ZodRawShape[] {
  const [key, ...rest] = path
  return bareOf(schema).flatMap((bare): readonly z.ZodRawShape[] => {
    if (bare instanceof z.ZodObject) {
      if (key === undefined) return [bare.shape]
      const inner = Object.hasOwn(bare.shape, key) ? bare.shape[String(key)] : undefined
      return inner === undefined ? [] : shapesAt(inner as z.ZodType, rest)
    }
    if (key === undefined) return []
    if (bare instanceof z.ZodArray) return shapesAt(bare.element as z.ZodType, rest)
    return bare instanceof z.ZodRecord ? shapesAt(bare.valueType as z.ZodType, rest) : []
  })
}

/** Without defaults, transforms, what is made late and the like around it; each choice of a union. */
function bareOf(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(one => bareOf(one as z.ZodType))
  if (schema instanceof z.ZodPipe) return bareOf(schema.in as z.ZodType)
  const isAround =
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodLazy ||
    schema instanceof z.ZodPrefault
  return isAround ? bareOf(schema.unwrap() as z.ZodType) : [schema]
}
