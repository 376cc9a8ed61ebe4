// Reads the schemas of a catalog: of each a type of event, a version, JSON Schema 2020-12 for its `data`, and from when it judges.
// Invariant: what is read compiles, and is written back equal.

import { compileSchema, type EventSchema, type JsonSchema } from '../event-schemas/event-schema.js'
import { formatInstantMs, msOf, parseInstant } from '../time.js'
import { asMap, FieldReader } from './catalog-reader.js'
import type { Problems, SourceNode } from './catalog-source.js'

const maxSchemaBytes = 64 * 1024
const maxVersion = 2 ** 32 - 1

export function readEventSchema(
  node: SourceNode,
  seen: Set<string>,
  problems: Problems,
): EventSchema | undefined {
  const map = asMap(node, 'A schema', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const eventType = reader.requiredText('event_type')
  if (eventType?.startsWith('weir.'))
    reader.fault('event_type', 'invalid_value', 'Event types beginning with weir. have schemas of their own.')
  const version = reader.requiredField('version') && reader.whole('version', 1, maxVersion)
  const from = reader.text('from')
  const fromNs = from === undefined ? undefined : parseInstant(from)
  if (from !== undefined && fromNs === undefined)
    reader.fault('from', 'invalid_value', 'The field from is an RFC 3339 instant.')
  const schema = readSchema(reader)
  reader.refuseOthers('a schema')
  if (eventType === undefined || version === undefined || schema === undefined) return undefined
  const key = schemaKey({ eventType, version })
  if (seen.has(key))
    reader.fault('version', 'duplicate_schema', `Version ${version} of ${eventType} is given twice.`)
  seen.add(key)
  return { eventType, version, ...(fromNs === undefined ? {} : { fromMs: msOf(fromNs) }), schema }
}

export function schemaKey({ eventType, version }: Pick<EventSchema, 'eventType' | 'version'>): string {
  return `${version}:${eventType}`
}

export function eventSchemaToWire({ eventType, version, fromMs, schema }: EventSchema) {
  const from = fromMs === undefined ? {} : { from: formatInstantMs(fromMs) }
  return { event_type: eventType, version, ...from, schema }
}

function readSchema(reader: FieldReader): JsonSchema | undefined {
  const node = reader.requiredField('schema')
  if (node === undefined) return undefined
  if (node.kind !== 'map')
    return reader.fault('schema', 'wrong_type', 'The field schema is a JSON Schema, an object.')
  const schema = jsonOf(node) as JsonSchema
  if (Buffer.byteLength(JSON.stringify(schema)) > maxSchemaBytes)
    return reader.fault('schema', 'value_out_of_range', `A schema has at most ${maxSchemaBytes} bytes.`)
  const compiled = compileSchema(schema)
  if (compiled.kind === 'ok') return schema
  return reader.fault('schema', 'invalid_schema', `The schema is no JSON Schema 2020-12: ${compiled.detail}.`)
}

function jsonOf(node: SourceNode): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value
    case 'list':
      return node.items.map(jsonOf)
    case 'map':
      return Object.fromEntries([...node.members].map(([name, { value }]) => [name, jsonOf(value)]))
    default:
      return node satisfies never
  }
}
