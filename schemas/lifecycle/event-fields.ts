// The data of a `weir.*` event by its schema, and how its free objects are kept.

import type { z } from 'zod'
import type { ValidEvent } from '../event/usage-event.js'
import { stringifyJson } from '../json/json-text.js'
import { rejectionOfIssues } from '../json/wire-fields.js'
import type { Parsed } from '../rejection.js'

export function dataOf<S extends z.ZodType>(schema: S, event: ValidEvent): Parsed<z.output<S>> {
  const result = schema.safeParse(event.data)
  return result.success
    ? { kind: 'ok', value: result.data }
    : { kind: 'rejected', rejection: rejectionOfIssues(result.error, '/data') }
}

/** JSON text. */
export function textOf(object: Record<string, unknown> | null | undefined): string | undefined {
  return object == null ? undefined : stringifyJson(object)
}
