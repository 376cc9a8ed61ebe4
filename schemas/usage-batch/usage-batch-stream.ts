// The messages of an Arrow IPC stream: its fields, its dictionaries and its record batches, as views of the
// bytes. usage-batch.ts decides which fields a usage batch has and what they mean.
// Invariants: every buffer lies within the bytes; unreadable bytes throw an ArrowFault or a RangeError, which
// decodeUsageBatch turns into a rejection.
// The format:
// https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

import { FlatTable } from './usage-batch-flatbuffer.js'

/** Thrown when bytes are not a usage batch; the producer sees its message as the reason. */
export class ArrowFault extends Error {
  override readonly name = 'ArrowFault'
}

export type ArrowType =
  | { readonly kind: 'null' }
  | { readonly kind: 'utf8'; readonly offsetBytes: 4 | 8 }
  /** `unit`: 0 second, 1 millisecond, 2 microsecond, 3 nanosecond. */
  | { readonly kind: 'timestamp'; readonly unit: number; readonly timezone: string }
  | { readonly kind: 'other'; readonly name: string }

export interface ArrowDictionary {
  readonly id: number
  readonly indexBytes: 1 | 2 | 4 | 8
  readonly isSigned: boolean
}

export interface ArrowField {
  readonly name: string
  readonly type: ArrowType
  readonly dictionary: ArrowDictionary | undefined
}

export interface ArrowNode {
  readonly length: number
  readonly nullCount: number
}

/** A record batch: the nodes of its columns one after another, and their buffers likewise. */
export interface ArrowBlock {
  readonly length: number
  readonly nodes: readonly ArrowNode[]
  readonly buffers: readonly Uint8Array[]
}

export interface ArrowVisitor {
  schema(fields: readonly ArrowField[]): void
  /** `isDelta`: the block is appended to the dictionary instead of replacing it. */
  dictionary(id: number, block: ArrowBlock, isDelta: boolean): void
  batch(block: ArrowBlock): void
}

const headerTypes = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const
const continuation = 0xffffffff
const fileMagic = 'ARROW1'
const maxFields = 64

/** Reads the messages in their order. */
export function readArrowStream(bytes: Uint8Array, visitor: ArrowVisitor): void {
  if (Buffer.from(bytes.subarray(0, fileMagic.length)).toString('latin1') === fileMagic) {
    throw new ArrowFault('it is an Arrow file; send the stream format')
  }
  let hasSchema = false
  let at = 0
  while (at < bytes.length) {
    const message = messageAt(bytes, at)
    at = message.end
    if (message.metadata === undefined) break
    const { headerType, header, body } = message.metadata
    if (headerType === headerTypes.schema) {
      if (hasSchema) throw new ArrowFault('it has more than one schema')
      visitor.schema(fieldsOf(header))
      hasSchema = true
    } else if (!hasSchema) throw new ArrowFault('it does not begin with a schema')
    else if (headerType === headerTypes.recordBatch) visitor.batch(blockOf(header, body))
    else if (headerType === headerTypes.dictionaryBatch) {
      const data = header.table(1)
      if (data === undefined) throw new ArrowFault('a dictionary has no values')
      visitor.dictionary(header.size(0), blockOf(data, body), header.byte(2) !== 0)
    } else throw new ArrowFault(`it has a message of kind ${headerType}`)
  }
  if (!hasSchema) throw new ArrowFault('it has no schema')
  if (at !== bytes.length) throw new ArrowFault('something follows the end of the stream')
}

interface ArrowMessage {
  /** Undefined at the end of the stream. */
  readonly metadata:
    | { readonly headerType: number; readonly header: FlatTable; readonly body: Uint8Array }
    | undefined
  readonly end: number
}

function messageAt(bytes: Uint8Array, at: number): ArrowMessage {
  const prefix = viewOf(bytes.subarray(at, at + 8))
  if (prefix.getUint32(0, true) !== continuation) throw new ArrowFault('a message does not begin as one')
  const metadataSize = prefix.getUint32(4, true)
  const start = at + 8
  if (metadataSize === 0) return { metadata: undefined, end: start }
  const bodyStart = start + metadataSize
  if (bodyStart > bytes.length) throw new ArrowFault('it is cut off')
  const message = FlatTable.root(viewOf(bytes.subarray(start, bodyStart)))
  // Fields of the table Message: 0 version, 1 header_type, 2 header, 3 bodyLength.
  const header = message.table(2)
  const end = bodyStart + message.size(3)
  if (header === undefined) throw new ArrowFault('a message has no header')
  if (end > bytes.length) throw new ArrowFault('it is cut off')
  return { metadata: { headerType: message.byte(1), header, body: bytes.subarray(bodyStart, end) }, end }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Of the table Schema: 0 endianness, 1 fields. */
function fieldsOf(schema: FlatTable): ArrowField[] {
  if (schema.int16(0) !== 0) throw new ArrowFault('it is big-endian')
  const vector = schema.vector(1, 4)
  if (vector === undefined || vector.length === 0) throw new ArrowFault('it has no columns')
  if (vector.length > maxFields) throw new ArrowFault(`it has ${vector.length} columns`)
  return Array.from({ length: vector.length }, (_, i) => fieldOf(schema.tableAt(vector.at + i * 4)))
}

/** Of the table Field: 0 name, 1 nullable, 2 type_type, 3 type, 4 dictionary, 5 children. */
function fieldOf(field: FlatTable): ArrowField {
  const dictionary = field.table(4)
  return {
    name: field.text(0) ?? '',
    type: typeOf(field.byte(2), field.table(3)),
    dictionary: dictionary === undefined ? undefined : dictionaryOf(dictionary),
  }
}

/** Of the table DictionaryEncoding: 0 id, 1 indexType (0 bitWidth, 1 is_signed). Without a type: 32 bits, signed. */
function dictionaryOf(encoding: FlatTable): ArrowDictionary {
  const index = encoding.table(1)
  const bits = index === undefined ? 32 : index.int32(0)
  if (bits !== 8 && bits !== 16 && bits !== 32 && bits !== 64)
    throw new ArrowFault(`a dictionary has indices of ${bits} bits`)
  return {
    id: encoding.size(0),
    indexBytes: (bits / 8) as 1 | 2 | 4 | 8,
    isSigned: index === undefined || index.byte(1) !== 0,
  }
}

/** The union Type of Schema.fbs; its order is fixed. */
const typeNames: readonly string[] = (
  'none null int float binary utf8 bool decimal date time timestamp interval list struct union fixed_size_binary ' +
  'fixed_size_list map duration large_binary large_utf8 large_list run_end_encoded binary_view utf8_view'
).split(' ')

function typeOf(typeType: number, type: FlatTable | undefined): ArrowType {
  const name = typeNames[typeType] ?? `type ${typeType}`
  switch (name) {
    case 'null':
      return { kind: 'null' }
    case 'utf8':
      return { kind: 'utf8', offsetBytes: 4 }
    case 'large_utf8':
      return { kind: 'utf8', offsetBytes: 8 }
    case 'timestamp':
      // Of the table Timestamp: 0 unit, 1 timezone.
      return { kind: 'timestamp', unit: type?.int16(0) ?? 0, timezone: type?.text(1) ?? '' }
    default:
      return { kind: 'other', name }
  }
}

/** Of the table RecordBatch: 0 length, 1 nodes, 2 buffers, 3 compression. */
function blockOf(batch: FlatTable, body: Uint8Array): ArrowBlock {
  if (batch.table(3) !== undefined) {
    throw new ArrowFault('its buffers are compressed (lz4 or zstd); compress the whole with gzip instead')
  }
  const nodes = batch.vector(1, 16)
  const buffers = batch.vector(2, 16)
  return {
    length: batch.size(0),
    nodes: Array.from({ length: nodes?.length ?? 0 }, (_, i) => ({
      length: batch.sizeAt(nodes!.at + i * 16),
      nullCount: batch.sizeAt(nodes!.at + i * 16 + 8),
    })),
    buffers: Array.from({ length: buffers?.length ?? 0 }, (_, i) => {
      const offset = batch.sizeAt(buffers!.at + i * 16)
      const length = batch.sizeAt(buffers!.at + i * 16 + 8)
      if (offset + length > body.length) throw new ArrowFault('a buffer lies outside of its message')
      return body.subarray(offset, offset + length)
    }),
  }
}
