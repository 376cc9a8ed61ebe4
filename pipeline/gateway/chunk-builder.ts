// Gathers the accepted events of a request into chunks, by the stream and partition that they go to.
// Invariant: the order of a request is kept for each NATS subject and form of body.

import { type EventStream, streamOf } from '../../schemas/event/event-stream.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { partitionOf } from '../../schemas/identifiers.js'
import type { UsageRow } from '../../schemas/usage-batch/usage-batch-writer.js'
import { natsSubjects } from '../broker/topology.js'
import { type EventChunk, rowsOverheadBytes } from './event-chunk.js'
import type { Scope } from './scopes.js'

export interface ChunkOptions {
  readonly partitions: number
  /** The size at which a chunk is closed. */
  readonly chunkBytes: number
}

/** The scope that a key needs to send to a stream. */
export const streamScopes: Readonly<Record<EventStream, Scope>> = {
  METERING: 'ingest:usage',
  LIFECYCLE: 'ingest:lifecycle',
  CATALOG: 'ingest:catalog',
}

interface Target {
  readonly stream: EventStream
  readonly partition: number | null
  readonly natsSubject: string
}

interface OpenLines extends Target {
  text: string
  bytes: number
  count: number
}

interface OpenRows extends Target {
  readonly rows: UsageRow[]
  bytes: number
}

export class ChunkBuilder {
  readonly #options: ChunkOptions
  readonly #lines = new Map<string, OpenLines>()
  readonly #rows = new Map<string, OpenRows>()
  readonly #finished: EventChunk[] = []

  constructor(options: ChunkOptions) {
    this.#options = options
  }

  /** Adds an event as JSON text. `bytes` is its length with the line feed. */
  addText(event: ValidEvent, text: string, bytes: number): void {
    const target = this.#targetOf(event)
    let chunk = this.#lines.get(target.natsSubject)
    if (chunk !== undefined && chunk.bytes + bytes > this.#options.chunkBytes) {
      this.#closeLines(chunk)
      chunk = undefined
    }
    if (chunk === undefined) {
      chunk = { ...target, text: '', bytes: 0, count: 0 }
      this.#lines.set(target.natsSubject, chunk)
    }
    chunk.text += `${text}\n`
    chunk.bytes += bytes
    chunk.count += 1
  }

  /** Adds an event as a row. `bytes` is the size of the row. */
  addRow(event: ValidEvent, row: UsageRow, bytes: number): void {
    const target = this.#targetOf(event)
    let chunk = this.#rows.get(target.natsSubject)
    if (chunk !== undefined && chunk.bytes + bytes > this.#options.chunkBytes) {
      this.#closeRows(chunk)
      chunk = undefined
    }
    if (chunk === undefined) {
      chunk = { ...target, rows: [], bytes: rowsOverheadBytes }
      this.#rows.set(target.natsSubject, chunk)
    }
    chunk.rows.push(row)
    chunk.bytes += bytes
  }

  finish(): readonly EventChunk[] {
    for (const chunk of this.#lines.values()) this.#closeLines(chunk)
    for (const chunk of this.#rows.values()) this.#closeRows(chunk)
    return this.#finished
  }

  #targetOf({ type, subject }: ValidEvent): Target {
    const stream = streamOf(type)
    if (stream === 'CATALOG') return { stream, partition: null, natsSubject: natsSubjects.catalog }
    const partition = partitionOf(subject, this.#options.partitions)
    const natsSubject =
      stream === 'METERING'
        ? natsSubjects.gatewayMetering(partition)
        : natsSubjects.gatewayLifecycle(partition)
    return { stream, partition, natsSubject }
  }

  #closeLines({ stream, partition, natsSubject, text, count, bytes }: OpenLines): void {
    this.#lines.delete(natsSubject)
    const body = { kind: 'lines', bytes: Buffer.from(text, 'utf8') } as const
    this.#finished.push({ stream, partition, natsSubject, count, size: bytes, body })
  }

  #closeRows({ stream, partition, natsSubject, rows, bytes }: OpenRows): void {
    this.#rows.delete(natsSubject)
    const body = { kind: 'rows', rows } as const
    this.#finished.push({ stream, partition, natsSubject, count: rows.length, size: bytes, body })
  }
}
