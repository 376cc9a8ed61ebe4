// Decodes a change event: Avro by its schema, and the bitmaps of the header, which name fields by their place in the schema.
// A field that did not change is null in the payload, so null means cleared only where `nulledFields` names the field.
// Invariant: what cannot be decoded is an arrival too, with its bytes.

import avro from 'avsc'
import { isRecord, stringifyJson } from '../../../schemas/json/json-text.js'
import type { CrmRecord } from '../quotes/deal.js'
import type { ArrivalDraft } from '../source-kind.js'
import type { ChangeTold } from './documents.js'

export interface ToldEvent {
  readonly id: string
  readonly schemaId: string
  readonly payload: Uint8Array
  readonly replayId: Uint8Array
}

/** A schema, ready to decode. */
export interface ChangeSchema {
  decode(payload: Uint8Array): CrmRecord
  readonly fields: readonly SchemaField[]
}

interface SchemaField {
  readonly name: string
  /** Of a compound field, such as an address. */
  readonly fields: readonly SchemaField[]
}

export interface ChangeHeader {
  readonly entity: string
  readonly recordIds: readonly string[]
  readonly type: string
  readonly commitMs: number
}

/** Whole numbers of 64 bits, with every digit. */
const longType = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer(value: bigint) {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: (value: unknown) => BigInt(value as number),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

/** Throws on what is no schema. */
export function readSchema(json: string): ChangeSchema {
  const schema: unknown = JSON.parse(json)
  const type = avro.Type.forSchema(schema as avro.Schema, { registry: { long: longType } })
  const named = new Map<string, readonly SchemaField[]>()
  return {
    decode: payload => type.fromBuffer(Buffer.from(payload)) as CrmRecord,
    fields: fieldsOf(schema, named),
  }
}

function fieldsOf(schema: unknown, named: Map<string, readonly SchemaField[]>): readonly SchemaField[] {
  if (Array.isArray(schema)) return schema.map(one => fieldsOf(one, named)).find(one => one.length > 0) ?? []
  if (typeof schema === 'string') return named.get(schema) ?? []
  if (!isRecord(schema) || !Array.isArray(schema['fields'])) return []
  const fields = schema['fields'].filter(isRecord).map(one => {
    return { name: String(one['name']), fields: fieldsOf(one['type'], named) }
  })
  named.set(String(schema['name']), fields)
  return fields
}

/** `0x1c` names top fields from the right; `5-0x3` fields of the compound field in place 5. Names stay names. */
export function expandBitmaps(bitmaps: readonly string[], fields: readonly SchemaField[]): readonly string[] {
  return bitmaps.flatMap(one => {
    const [, place, hex] = /^(?:(\d{1,4})-)?0x([0-9A-Fa-f]{1,2000})$/.exec(one) ?? []
    if (hex === undefined) return [one]
    if (place === undefined) return fieldsIn(hex, fields)
    const parent = fields[Number(place)]
    return parent === undefined ? [] : fieldsIn(hex, parent.fields).map(name => `${parent.name}.${name}`)
  })
}

function fieldsIn(hex: string, fields: readonly SchemaField[]): string[] {
  const bits = BigInt(`0x${hex}`)
  return fields.filter((_, place) => (bits >> BigInt(place)) & 1n).map(({ name }) => name)
}

/** One arrival for each record that the event names, and what the header says. */
export function changeArrivals(
  event: ToldEvent,
  schema: ChangeSchema | undefined,
): { readonly header: ChangeHeader | undefined; readonly arrivals: readonly ArrivalDraft[] } {
  const id = event.id === '' ? Buffer.from(event.replayId).toString('hex') : event.id
  let decoded: CrmRecord | undefined
  try {
    decoded = schema?.decode(event.payload)
  } catch {
    // It is kept as it came, and waits.
  }
  const header = isRecord(decoded?.['ChangeEventHeader']) ? decoded['ChangeEventHeader'] : undefined
  if (decoded === undefined || header === undefined || schema === undefined)
    return { header: undefined, arrivals: [{ id, type: 'undecoded', bytes: Buffer.from(event.payload) }] }
  const told = toldBy(header, decoded, event, schema)
  const recordIds = textsIn(header['recordIds'])
  const arrivals = (recordIds.length === 0 ? [''] : recordIds).map((record_id): ArrivalDraft => {
    return {
      id: record_id === '' ? id : `${id}/${record_id}`.slice(0, 200),
      type: `${told.change_type}.${told.entity}`.slice(0, 200),
      occurredAtMs: told.commit_ms,
      bytes: Buffer.from(stringifyJson({ ...told, record_id })),
    }
  })
  const { entity, change_type: type, commit_ms: commitMs } = told
  return { header: { entity, recordIds, type, commitMs }, arrivals }
}

function toldBy(
  header: CrmRecord,
  decoded: CrmRecord,
  event: ToldEvent,
  { fields }: ChangeSchema,
): Omit<ChangeTold, 'record_id'> {
  const text = (name: string) => (typeof header[name] === 'string' ? (header[name] as string) : '')
  const whole = (name: string) => {
    const value = header[name]
    return typeof value === 'bigint' || typeof value === 'number' ? Number(value) : 0
  }
  const nulled = expandBitmaps(textsIn(header['nulledFields']), fields)
  const changed = expandBitmaps(textsIn(header['changedFields']), fields)
  const isNulled = new Set(nulled)
  const values = Object.fromEntries(
    Object.entries(decoded).filter(([name, value]) => {
      return name !== 'ChangeEventHeader' && value !== null && !isNulled.has(name)
    }),
  )
  return {
    told: 'change',
    entity: text('entityName'),
    change_type: text('changeType'),
    origin: text('changeOrigin'),
    user: text('commitUser'),
    transaction: text('transactionKey'),
    sequence: whole('sequenceNumber'),
    commit_ms: whole('commitTimestamp'),
    changed,
    nulled,
    values,
    schema_id: event.schemaId,
    payload: Buffer.from(event.payload).toString('base64'),
  }
}

function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}
