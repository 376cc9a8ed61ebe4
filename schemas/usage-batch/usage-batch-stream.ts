// The messages of an Arrow IPC stream or file: its fields, its dictionaries and its record batches. Buffers are views of the
// bytes, or of what compressed buffers hold. usage-batch.ts decides which fields a usage batch has and what they mean.
// Invariants: every buffer lies within its message; what compressed buffers hold is bounded; unreadable bytes throw an
// ArrowFault or a RangeError, which decodeUsageBatch turns into a rejection.
// The format:
// https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc

import type { ArrowBlock } from './usage-batch-block.js'
import { codecs, decompressFrame } from './usage-batch-compression.js'
import { ArrowFault, TooLarge } from './usage-batch-fault.js'
import { type ArrowField, fieldsOf } from './usage-batch-fields.js'
import { FlatTable, type FlatVector } from './usage-batch-flatbuffer.js'
import { maxUsageBatchPlainBytes } from './usage-batch-schema.js'

export interface ArrowVisitor {
  schema(fields: readonly ArrowField[]): void
  /** `isDelta`: the block is appended to the dictionary instead of replacing it. */
  dictionary(id: number, block: ArrowBlock, isDelta: boolean): void
  batch(block: ArrowBlock): void
}

const headerTypes = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const
const continuation = 0xffffffff

/** Reads the messages in their order. */
export function readArrowStream(bytes: Uint8Array, visitor: ArrowVisitor): void {
  const blocks = new BlockReader()
  let hasSchema = false
  forEachMessage(bytes, (headerType, header, body) => {
    if (headerType === headerTypes.schema) {
      if (hasSchema) throw new ArrowFault('it has more than one schema')
      visitor.schema(fieldsOf(header))
      hasSchema = true
    } else if (!hasSchema) throw new ArrowFault('it does not begin with a schema')
    else if (headerType === headerTypes.recordBatch) visitor.batch(blocks.read(header, body))
    else if (headerType === headerTypes.dictionaryBatch) {
      visitor.dictionary(header.size(0), blocks.read(valuesOf(header), body), header.byte(2) !== 0)
    } else throw new ArrowFault(`it has a message of kind ${headerType}`)
  })
  if (!hasSchema) throw new ArrowFault('it has no schema')
}

/** Whether a message holds compressed buffers, in which no text can be searched. True of bytes that cannot be read. */
export function hasCompressedBuffers(bytes: Uint8Array): boolean {
  let found = false
  try {
    forEachMessage(bytes, (headerType, header) => {
      if (headerType === headerTypes.recordBatch) found ||= compressionOf(header) !== undefined
      if (headerType === headerTypes.dictionaryBatch) found ||= compressionOf(valuesOf(header)) !== undefined
    })
  } catch (error) {
    if (error instanceof ArrowFault || error instanceof RangeError) return true
    throw error
  }
  return found
}

/** Of the table DictionaryBatch: 0 id, 1 data, 2 isDelta. */
function valuesOf(header: FlatTable): FlatTable {
  const values = header.table(1)
  if (values === undefined) throw new ArrowFault('a dictionary has no values')
  return values
}

type Visit = (headerType: number, header: FlatTable, body: Uint8Array) => void

function forEachMessage(bytes: Uint8Array, visit: Visit): void {
  if (magicAt(bytes, 0) === fileMagic) {
    forEachMessageOfFile(bytes, visit)
    return
  }
  let at = 0
  while (at < bytes.length) {
    const message = messageAt(bytes, at)
    at = message.end
    if (message.metadata === undefined) break
    const { headerType, header, body } = message.metadata
    visit(headerType, header, body)
  }
  if (at !== bytes.length) throw new ArrowFault('something follows the end of the stream')
}

const fileMagic = 'ARROW1'

/**
 * A file ends with its footer, the footer's length and the magic again. Of the table Footer: 0 version, 1 schema,
 * 2 dictionaries, 3 recordBatches; a Block begins with the place of a message and has 24 bytes.
 */
function forEachMessageOfFile(bytes: Uint8Array, visit: Visit): void {
  const { length } = bytes
  if (length < 20 || magicAt(bytes, length - 6) !== fileMagic)
    throw new ArrowFault('it is a file that is cut off')
  const until = length - 10
  const from = until - viewOf(bytes).getUint32(until, true)
  if (from < 8) throw new ArrowFault('it is a file that is cut off')
  const footer = FlatTable.root(viewOf(bytes.subarray(from, until)))
  const schema = footer.table(1)
  if (schema !== undefined) visit(headerTypes.schema, schema, bytes.subarray(0, 0))
  for (const slot of [2, 3]) {
    const blocks = footer.vector(slot, 24)
    for (let i = 0; i < (blocks?.length ?? 0); i += 1) {
      const { metadata } = messageAt(bytes, footer.sizeAt(blocks!.at + i * 24))
      if (metadata === undefined) throw new ArrowFault('a message does not begin as one')
      visit(metadata.headerType, metadata.header, metadata.body)
    }
  }
}

function magicAt(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + fileMagic.length)).toString('latin1')
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

/** Of the table BodyCompression: 0 codec, 1 method, which is always by buffer. */
function compressionOf(batch: FlatTable): FlatTable | undefined {
  return batch.table(3)
}

class BlockReader {
  #plainBytes = 0

  /** Of the table RecordBatch: 0 length, 1 nodes, 2 buffers, 3 compression, 4 variadicBufferCounts. */
  read(batch: FlatTable, body: Uint8Array): ArrowBlock {
    const nodes = batch.vector(1, 16)
    const buffers = batch.vector(2, 16)
    const counts = batch.vector(4, 8)
    const compression = compressionOf(batch)
    return {
      length: batch.size(0),
      nodes: Array.from({ length: nodes?.length ?? 0 }, (_, i) => ({
        length: batch.sizeAt(nodes!.at + i * 16),
        nullCount: batch.sizeAt(nodes!.at + i * 16 + 8),
      })),
      buffers: Array.from({ length: buffers?.length ?? 0 }, (_, i) => {
        const buffer = bufferOf(batch, buffers!, i, body)
        return compression === undefined ? buffer : this.#decompress(buffer, compression.byte(0))
      }),
      variadicCounts: Array.from({ length: counts?.length ?? 0 }, (_, i) => batch.sizeAt(counts!.at + i * 8)),
    }
  }

  /** The length when plain comes first; -1 says that the rest is plain already. */
  #decompress(buffer: Uint8Array, codecNumber: number): Uint8Array {
    const codec = codecs[codecNumber]
    if (codec === undefined) throw new ArrowFault(`its buffers are compressed with the codec ${codecNumber}`)
    if (buffer.length === 0) return buffer
    const length = viewOf(buffer).getBigInt64(0, true)
    const rest = buffer.subarray(8)
    if (length === -1n) return rest
    if (length < 0n) throw new ArrowFault('a compressed buffer has a negative length')
    if (length > BigInt(maxUsageBatchPlainBytes - this.#plainBytes)) {
      throw new TooLarge(
        `The compressed buffers of the batch hold more than ${maxUsageBatchPlainBytes} bytes.`,
      )
    }
    this.#plainBytes += Number(length)
    return length === 0n ? rest.subarray(rest.length) : decompressFrame(codec, rest, Number(length))
  }
}

function bufferOf(batch: FlatTable, buffers: FlatVector, index: number, body: Uint8Array): Uint8Array {
  const offset = batch.sizeAt(buffers.at + index * 16)
  const length = batch.sizeAt(buffers.at + index * 16 + 8)
  if (offset + length > body.length) throw new ArrowFault('a buffer lies outside of its message')
  return body.subarray(offset, offset + length)
}
