// The floor's worker thread: message bytes in, the rows of `rated_usage` as Arrow streams out.

import { transfer } from '../../pipeline/memory/transfer.js'
import { bufferOf, type PackedMessages, unpackMessages } from '../../pipeline/workers/protocol.js'
import { type FloorEvent, floorRows } from './columns.js'

export function encode(packed: PackedMessages): unknown {
  const events: FloorEvent[] = []
  for (const { bytes } of unpackMessages(packed)) {
    // One text per message; its lines are slices of it, which V8 makes without a copy.
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf('\n', start)
      events.push(JSON.parse(text.slice(start, end)) as FloorEvent)
      start = end + 1
    }
  }
  const streams = floorRows(events)
  return transfer(streams, streams.map(bufferOf))
}
