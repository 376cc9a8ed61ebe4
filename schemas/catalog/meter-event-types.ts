// The types of events that a meter reads: one, `event_type`, or several, `event_types`. How they are read, written and described.
// Invariants: exactly one of the two fields is there; a type stands once, so that an event is read once.

import { z } from 'zod'
import { nameField } from '../json/wire-fields.js'
import { type FieldReader, readText } from './catalog-reader.js'
import type { Problems } from './catalog-source.js'
import type { Wire } from './models/model-shape.js'

/** In the catalog's order; undefined when there is none or a wrong one, which the reader then has as a fault. */
export function readEventTypes(reader: FieldReader, problems: Problems): readonly string[] | undefined {
  if (!reader.has('event_types')) {
    const type = reader.requiredText('event_type')
    if (type !== undefined && isOurs(type)) reader.fault('event_type', 'invalid_value', ownTypes)
    return type === undefined ? undefined : [type]
  }
  if (reader.has('event_type')) {
    const message = 'A meter has event_type, or event_types for several, not both.'
    return reader.fault('event_types', 'invalid_value', message)
  }
  const types: string[] = []
  const items = reader.list('event_types') ?? []
  for (const item of items) {
    const type = readText(item, 'event_types', problems)
    if (type === undefined) continue
    if (isOurs(type)) problems.add(item, 'invalid_value', ownTypes)
    if (types.includes(type))
      problems.add(item, 'duplicate_event_type', `The event type ${type} is given twice.`)
    types.push(type)
  }
  if (types.length > 0) return types
  return items.length > 0 || reader.field('event_types')?.kind !== 'list'
    ? undefined
    : reader.fault('event_types', 'missing_field', 'The field event_types has at least one type.')
}

const ownTypes = 'Event types beginning with weir. are never usage.'

function isOurs(type: string): boolean {
  return type.startsWith('weir.')
}

/** One alone is `event_type`, however it was written. */
export function eventTypesToWire(types: readonly string[]): Wire {
  return types.length === 1 ? { event_type: types[0] } : { event_types: types }
}

/** A meter's other fields, with each of the two. */
export function withEventTypes<S extends z.ZodRawShape>(fields: S) {
  return z.union([
    z.strictObject({ event_type: nameField, ...fields }),
    z.strictObject({ event_types: z.array(nameField).min(1), ...fields }),
  ])
}
