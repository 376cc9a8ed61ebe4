// Joining Arrow IPC streams of one table into one, by their framing alone.
// Invariant: the streams have byte-equal schemas; anything else is a bug and asserts. Where texts are codes, each stream
// brings whole dictionaries, which replace those of the stream before it.
// The format: https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format

const schemaHeader = 1
const dictionaryBatchHeader = 2
const recordBatchHeader = 3
const endOfStream = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/** One schema, the dictionaries and record batches of all, one end of stream. Empty when there are no streams. */
export function concatenateStreams(streams: readonly Uint8Array[]): Uint8Array {
  const [first] = streams
  if (first === undefined) return new Uint8Array()
  const firstSchema = schemaBytes(first)
  const parts: Uint8Array[] = [firstSchema]
  for (const stream of streams) {
    const schema = schemaBytes(stream)
    if (Buffer.compare(schema, firstSchema) !== 0) throw new Error('Arrow streams of different schemas')
    const end = endOfBatches(stream, schema.length)
    parts.push(stream.subarray(schema.length, end))
  }
  parts.push(endOfStream)
  return Buffer.concat(parts)
}

interface Message {
  readonly headerType: number
  /** Where the next message begins. */
  readonly end: number
}

function schemaBytes(stream: Uint8Array): Uint8Array {
  const message = messageAt(stream, 0)
  if (message?.headerType !== schemaHeader) throw new Error('an Arrow stream begins with its schema')
  return stream.subarray(0, message.end)
}

/** Walks the dictionaries and record batches; returns where they end. */
function endOfBatches(stream: Uint8Array, start: number): number {
  let at = start
  for (let message = messageAt(stream, at); message !== undefined; message = messageAt(stream, at)) {
    if (message.headerType !== recordBatchHeader && message.headerType !== dictionaryBatchHeader)
      throw new Error('an Arrow stream with messages of another kind')
    at = message.end
  }
  return at
}

/** The message at an offset: continuation mark, metadata size, flatbuffer, body. Undefined at the end of the stream. */
function messageAt(stream: Uint8Array, at: number): Message | undefined {
  if (at + 8 > stream.length) return undefined
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  if (view.getUint32(at, true) !== 0xffffffff)
    throw new Error('an Arrow message without its continuation mark')
  const metadataSize = view.getInt32(at + 4, true)
  if (metadataSize === 0) return undefined
  const table = at + 8 + view.getUint32(at + 8, true)
  const vtable = table - view.getInt32(table, true)
  // Fields of the flatbuffer table Message: 0 version, 1 header_type, 2 header, 3 bodyLength.
  const headerTypeAt = fieldAt(view, table, vtable, 1)
  const bodyLengthAt = fieldAt(view, table, vtable, 3)
  const headerType = headerTypeAt === undefined ? 0 : view.getUint8(headerTypeAt)
  const bodyLength = bodyLengthAt === undefined ? 0 : Number(view.getBigInt64(bodyLengthAt, true))
  const end = at + 8 + metadataSize + bodyLength
  if (end > stream.length) throw new Error('an Arrow stream that was cut off')
  return { headerType, end }
}

function fieldAt(view: DataView, table: number, vtable: number, field: number): number | undefined {
  const slot = 4 + field * 2
  if (slot >= view.getUint16(vtable, true)) return undefined
  const offset = view.getUint16(vtable + slot, true)
  return offset === 0 ? undefined : table + offset
}
