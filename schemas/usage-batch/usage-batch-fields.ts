// The schema of an Arrow stream: its columns, their types, and the columns within them.
// Invariants: a schema of a few bytes cannot become a large one; what a type says of itself (bits, scale, size) is checked
// here, so that a reader of columns can rely on it.
// The format: https://github.com/apache/arrow/blob/main/format/Schema.fbs

import { ArrowFault } from './usage-batch-fault.js'
import type { FlatTable } from './usage-batch-flatbuffer.js'

export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'bool' }
  | { readonly kind: 'int'; readonly bytes: 1 | 2 | 4 | 8; readonly isSigned: boolean }
  | { readonly kind: 'float'; readonly bytes: 2 | 4 | 8 }
  /** The value is the stored whole number divided by ten to the power of `scale`. */
  | { readonly kind: 'decimal'; readonly bytes: 4 | 8 | 16 | 32; readonly scale: number }
  /** Texts, or bytes that are read as UTF-8. */
  | { readonly kind: 'utf8'; readonly offsetBytes: 4 | 8 }
  | { readonly kind: 'utf8_view' }
  | { readonly kind: 'date'; readonly isDays: boolean }
  | { readonly kind: 'time'; readonly unit: TimeUnit }
  | { readonly kind: 'timestamp'; readonly unit: TimeUnit }
  | { readonly kind: 'list'; readonly offsetBytes: 4 | 8 }
  | { readonly kind: 'fixed_size_list'; readonly size: number }
  | { readonly kind: 'struct' }
  | { readonly kind: 'map' }
  | { readonly kind: 'other'; readonly name: string }

/** 0 second, 1 millisecond, 2 microsecond, 3 nanosecond. */
export type TimeUnit = 0 | 1 | 2 | 3

export interface ArrowDictionary {
  readonly id: number
  readonly indexBytes: 1 | 2 | 4 | 8
  readonly isSigned: boolean
}

export interface ArrowField {
  readonly name: string
  readonly type: ArrowType
  /** If present, the column holds indices, and the values are of `type`. */
  readonly dictionary: ArrowDictionary | undefined
  readonly children: readonly ArrowField[]
}

const maxFields = 512
const maxDepth = 32
const maxDecimalScale = 76

/** Of the table Schema: 0 endianness, 1 fields. */
export function fieldsOf(schema: FlatTable): ArrowField[] {
  if (schema.int16(0) !== 0) throw new ArrowFault('it is big-endian')
  const fields = new SchemaReader().children(schema, 1, 0)
  if (fields.length === 0) throw new ArrowFault('it has no columns')
  return fields
}

class SchemaReader {
  #fields = 0

  /** The fields in the vector of a table's slot. A vector may name one table many times, so all fields are counted. */
  children(table: FlatTable, slot: number, depth: number): ArrowField[] {
    const vector = table.vector(slot, 4)
    const length = vector?.length ?? 0
    this.#fields += length
    if (this.#fields > maxFields) throw new ArrowFault(`it has more than ${maxFields} columns`)
    if (length > 0 && depth > maxDepth) throw new ArrowFault(`its columns are nested deeper than ${maxDepth}`)
    return Array.from({ length }, (_, i) => this.#field(table.tableAt(vector!.at + i * 4), depth))
  }

  /** Of the table Field: 0 name, 1 nullable, 2 type_type, 3 type, 4 dictionary, 5 children. */
  #field(field: FlatTable, depth: number): ArrowField {
    const dictionary = field.table(4)
    return {
      name: field.text(0) ?? '',
      type: typeOf(field.byte(2), field.table(3)),
      dictionary: dictionary === undefined ? undefined : dictionaryOf(dictionary),
      children: this.children(field, 5, depth + 1),
    }
  }
}

/** Of the table DictionaryEncoding: 0 id, 1 indexType (0 bitWidth, 1 is_signed). Without a type: 32 bits, signed. */
function dictionaryOf(encoding: FlatTable): ArrowDictionary {
  const index = encoding.table(1)
  const bytes = index === undefined ? 4 : bytesOf(index.int32(0), [1, 2, 4, 8])
  if (bytes === undefined) throw new ArrowFault(`a dictionary has indices of ${index?.int32(0)} bits`)
  return { id: encoding.size(0), indexBytes: bytes, isSigned: index === undefined || index.byte(1) !== 0 }
}

function bytesOf<Bytes extends number>(bits: number, known: readonly Bytes[]): Bytes | undefined {
  return known.find(bytes => bytes * 8 === bits)
}

/** The union Type of Schema.fbs; its order is fixed. */
const typeNames: readonly string[] = (
  'none null int float binary utf8 bool decimal date time timestamp interval list struct union fixed_size_binary ' +
  'fixed_size_list map duration large_binary large_utf8 large_list run_end_encoded binary_view utf8_view ' +
  'list_view large_list_view'
).split(' ')

/** Numbers of bits and units that the format does not have make the type `other`. */
function typeOf(typeType: number, type: FlatTable | undefined): ArrowType {
  const name = typeNames[typeType] ?? `type ${typeType}`
  switch (name) {
    case 'null':
    case 'bool':
    case 'struct':
    case 'map':
      return { kind: name }
    case 'utf8':
    case 'binary':
      return { kind: 'utf8', offsetBytes: 4 }
    case 'large_utf8':
    case 'large_binary':
      return { kind: 'utf8', offsetBytes: 8 }
    case 'utf8_view':
    case 'binary_view':
      return { kind: 'utf8_view' }
    case 'list':
      return { kind: 'list', offsetBytes: 4 }
    case 'large_list':
      return { kind: 'list', offsetBytes: 8 }
    case 'fixed_size_list':
      return { kind: 'fixed_size_list', size: sizeOf(type?.int32(0) ?? 0) }
    default:
      return (type === undefined ? undefined : measuredType(name, type)) ?? { kind: 'other', name }
  }
}

function sizeOf(size: number): number {
  if (size < 0) throw new ArrowFault('a list has a negative size')
  return size
}

/**
 * The types whose tables hold a measure. Int: 0 bitWidth, 1 is_signed. FloatingPoint: 0 precision. Decimal: 0 precision,
 * 1 scale, 2 bitWidth. Date, Time and Timestamp: 0 unit.
 */
function measuredType(name: string, type: FlatTable): ArrowType | undefined {
  switch (name) {
    case 'int': {
      const bytes = bytesOf(type.int32(0), [1, 2, 4, 8] as const)
      return bytes && { kind: 'int', bytes, isSigned: type.byte(1) !== 0 }
    }
    case 'float': {
      const bytes = ([2, 4, 8] as const)[type.int16(0)]
      return bytes && { kind: 'float', bytes }
    }
    case 'decimal': {
      const bytes = bytesOf(type.int32(2, 128), [4, 8, 16, 32] as const)
      const scale = type.int32(1)
      if (Math.abs(scale) > maxDecimalScale) throw new ArrowFault(`a decimal has the scale ${scale}`)
      return bytes && { kind: 'decimal', bytes, scale }
    }
    case 'date':
      return { kind: 'date', isDays: type.int16(0, 1) === 0 }
    case 'time': {
      const unit = unitOf(type.int16(0, 1))
      return unit === undefined ? undefined : { kind: 'time', unit }
    }
    case 'timestamp': {
      const unit = unitOf(type.int16(0))
      return unit === undefined ? undefined : { kind: 'timestamp', unit }
    }
    default:
      return undefined
  }
}

function unitOf(unit: number): TimeUnit | undefined {
  return ([0, 1, 2, 3] as const).find(known => known === unit)
}
