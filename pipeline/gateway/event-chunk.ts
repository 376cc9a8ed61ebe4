// A chunk holds the events of one request for one NATS subject. Chunks for one subject are joined into a
// message.
// Invariants: only chunks of the same form are joined; the bytes of a message are made once, so that a retry repeats them.

import type { EventStream } from '../../schemas/event/event-stream.js'
import { ndjsonType, usageBatchType } from '../../schemas/event/media-types.js'
import {
  encodeUsageBatch,
  type UsageRow,
  usageBatchOverheadBytes,
} from '../../schemas/usage-batch/usage-batch-writer.js'

export type ChunkBody =
  /** NDJSON; each line ends with a line feed. */
  | { readonly kind: 'lines'; readonly bytes: Buffer }
  | { readonly kind: 'rows'; readonly rows: readonly UsageRow[] }
  /** A usage batch (an Arrow stream) as it was received; it becomes a message by itself. */
  | { readonly kind: 'batch'; readonly bytes: Uint8Array }

export interface EventChunk {
  readonly stream: EventStream
  /** Null: every partition reads the whole stream. */
  readonly partition: number | null
  readonly natsSubject: string
  readonly count: number
  /** The most bytes that this chunk adds to a message. */
  readonly size: number
  readonly body: ChunkBody
}

export interface MessageBody {
  readonly bytes: Uint8Array
  readonly contentType: string
}

/** How many chunks, counted from the first, fit into one message: at least one. */
export function chunksOfMessage(chunks: readonly EventChunk[], messageBytes: number): number {
  const first = chunks[0]!
  if (first.body.kind === 'batch') return 1
  let size = first.size
  let taken = 1
  for (; taken < chunks.length; taken += 1) {
    const next = chunks[taken]!
    size += next.size
    if (next.body.kind !== first.body.kind || size > messageBytes) break
  }
  return taken
}

/** Joins the chunks that `chunksOfMessage` counted into one message. */
export function messageOf(chunks: readonly EventChunk[]): MessageBody {
  const { body } = chunks[0]!
  switch (body.kind) {
    case 'lines': {
      const parts = chunks.map(chunk => (chunk.body.kind === 'lines' ? chunk.body.bytes : Buffer.alloc(0)))
      return {
        bytes: parts.length === 1 ? body.bytes : Buffer.concat(parts),
        contentType: ndjsonType,
      }
    }
    case 'rows': {
      const rows = chunks.flatMap(chunk => (chunk.body.kind === 'rows' ? chunk.body.rows : []))
      return { bytes: encodeUsageBatch(rows), contentType: usageBatchType }
    }
    case 'batch':
      return { bytes: body.bytes, contentType: usageBatchType }
    default:
      return body satisfies never
  }
}

/** Bytes that a message of rows has in addition to the rows. */
export const rowsOverheadBytes = usageBatchOverheadBytes
