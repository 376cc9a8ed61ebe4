// Joins Arrow IPC streams of one table into one, given as parts that go to a socket or a file without being
// copied. (Copying them into one buffer per range took a fifth of the main thread's time per delivered row.)
// When texts are codes, each stream has whole dictionaries, which replace those of the stream before it.
// Framing: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format. A stream begins with the
// message of its schema, which has no body, and ends with an empty message.

const endOfStream = Buffer.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

/** Undefined when schemas differ or an input is not framed as a stream; then the caller sends each alone. */
export function joinStreams(streams: readonly Uint8Array[]): Uint8Array[] | undefined {
  const parts: Uint8Array[] = []
  let schema: Uint8Array | undefined
  for (const stream of streams) {
    const schemaEnd = endOfSchema(stream)
    if (schemaEnd === undefined || Buffer.compare(stream.subarray(-8), endOfStream) !== 0) return undefined
    const own = stream.subarray(0, schemaEnd)
    if (schema === undefined) parts.push(own)
    else if (Buffer.compare(schema, own) !== 0) return undefined
    schema ??= own
    parts.push(stream.subarray(schemaEnd, -8))
  }
  return [...parts, endOfStream]
}

function endOfSchema(stream: Uint8Array): number | undefined {
  if (stream.byteLength < 24) return undefined
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength)
  const end = 8 + view.getInt32(4, true)
  return view.getUint32(0, true) === 0xffffffff && end > 8 && end <= stream.byteLength - 8 ? end : undefined
}
