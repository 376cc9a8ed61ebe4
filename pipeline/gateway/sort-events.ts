// Sorts the events of one request: gives a verdict on each, and puts the accepted ones into chunks for the
// streams.
// Invariants: a bad event is refused alone; the order of a request is kept within each partition; the events
// in a chunk equal the events that were sent, compared as JSON values.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ParsedEvent, validateEvent } from '../../schemas/event/cloud-event.js'
import { type EventStream, streamOf } from '../../schemas/event/event-stream.js'
import type { ValidEvent } from '../../schemas/event/usage-event.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { stringifyJson, treeProblem } from '../../schemas/json/json-text.js'
import { type Rejection, rejected } from '../../schemas/rejection.js'
import { rowEvent, type UsageBatch } from '../../schemas/usage-batch/usage-batch.js'
import type { UsageRows } from '../../schemas/usage-batch/usage-batch-reader.js'
import { hasCompressedBuffers } from '../../schemas/usage-batch/usage-batch-stream.js'
import { type UsageRow, usageRowBytes } from '../../schemas/usage-batch/usage-batch-writer.js'
import { ChunkBuilder, streamScopes } from './chunk-builder.js'
import type { EventChunk } from './event-chunk.js'
import type { ProblemError } from './problem.js'
import { weirEventProblem } from './weir-events.js'

/** Why one event was refused. `index` is its place in the request. */
export interface EventVerdict {
  readonly index: number
  readonly id: string | null
  readonly code: string
  readonly detail: string
  readonly pointer?: string
  /** For a catalog: all its problems. */
  readonly errors?: readonly ProblemError[]
}

export interface SortedEvents {
  readonly chunks: readonly EventChunk[]
  readonly accepted: number
  readonly rejected: readonly EventVerdict[]
}

export interface SortOptions {
  readonly partitions: number
  readonly arrivalMs: number
  /** The size at which a chunk is closed. */
  readonly chunkBytes: number
  /** The most bytes of one event. */
  readonly maxEventBytes: number
  /** Whether the caller's key may send to this stream. */
  readonly maySend: (stream: EventStream) => boolean
  /** Stopped partitions, each with the reason. */
  readonly stopped: ReadonlyMap<number, string>
}

/** The code of an event whose partition has stopped: the event is good and can be sent again later. */
export const partitionStopped = 'partition_stopped'

/** How many events are sorted before the event loop may do other work: a few milliseconds. */
const eventsPerTurn = 2_000
/** A verdict shows at most this many characters of a refused event's id. */
const shownIdLength = 256

/** Sorts the events of a JSON body. */
export async function sortEvents(
  events: readonly ParsedEvent[],
  options: SortOptions,
): Promise<SortedEvents> {
  const builder = new ChunkBuilder(options)
  const verdicts: EventVerdict[] = []
  for (let index = 0; index < events.length; index += 1) {
    if (index > 0 && index % eventsPerTurn === 0) await nextTurn()
    const parsed = events[index]!
    const verdict = parsed.kind === 'rejected' ? parsed.rejection : takeEvent(parsed.value, builder, options)
    if (verdict === undefined) continue
    verdicts.push({ index, id: idOf(parsed.kind === 'ok' ? parsed.value : parsed.raw), ...verdict })
  }
  return { chunks: builder.finish(), accepted: events.length - verdicts.length, rejected: verdicts }
}

/**
 * Sorts the rows of a usage batch in Arrow; `bytes` are the batch as received. Usage stays in columns, and a
 * batch whose usage is all for one partition is passed on unchanged, unless it has compressed buffers, which the core
 * reads less fast. Other events in the batch are passed on as JSON.
 */
export async function sortBatch(
  batch: UsageBatch,
  bytes: Uint8Array,
  options: SortOptions,
): Promise<SortedEvents> {
  const builder = new ChunkBuilder(options)
  const verdicts: EventVerdict[] = []
  let index = -1
  for (const part of batch.parts) {
    for (let row = 0; row < part.length; row += 1) {
      index += 1
      if (index > 0 && index % eventsPerTurn === 0) await nextTurn()
      const parsed = rowEvent(part, row)
      const verdict =
        parsed.kind === 'rejected' ? parsed.rejection : takeRow(parsed.value, part, row, builder, options)
      if (verdict === undefined) continue
      verdicts.push({ index, id: idOf(parsed.kind === 'ok' ? parsed.value : parsed.raw), ...verdict })
    }
  }
  const chunks = builder.finish()
  const [only] = chunks
  const asItCame =
    verdicts.length === 0 &&
    chunks.length === 1 &&
    only?.body.kind === 'rows' &&
    bytes.length <= options.chunkBytes &&
    !hasCompressedBuffers(bytes)
  return {
    chunks: asItCame ? [{ ...only, size: bytes.length, body: { kind: 'batch', bytes } }] : chunks,
    accepted: batch.rows - verdicts.length,
    rejected: verdicts,
  }
}

type Verdict = Omit<EventVerdict, 'index' | 'id'>

/** Puts the event into its chunk, or returns why it is refused. */
function takeEvent(value: unknown, builder: ChunkBuilder, options: SortOptions): Verdict | undefined {
  const parsed = validateEvent(value, options.arrivalMs)
  if (parsed.kind === 'rejected') return parsed.rejection
  const event = parsed.value
  return (
    scopeProblem(event.type, options) ??
    extensionProblem(value as object) ??
    weirEventProblem(event) ??
    stoppedProblem(event, options) ??
    addText(event, value, builder, options)
  )
}

function addText(
  event: ValidEvent,
  value: unknown,
  builder: ChunkBuilder,
  options: SortOptions,
): Verdict | undefined {
  const text = stringifyJson(value)
  const bytes = Buffer.byteLength(text) + 1
  if (bytes > options.maxEventBytes) return tooLarge(bytes, options)
  builder.addText(event, text, bytes)
  return undefined
}

function takeRow(
  value: Record<string, unknown>,
  part: UsageRows,
  row: number,
  builder: ChunkBuilder,
  options: SortOptions,
): Verdict | undefined {
  const parsed = validateEvent(value, options.arrivalMs)
  if (parsed.kind === 'rejected') return parsed.rejection
  const event = parsed.value
  const problem =
    scopeProblem(event.type, options) ?? weirEventProblem(event) ?? stoppedProblem(event, options)
  if (problem !== undefined) return problem
  if (streamOf(event.type) !== 'METERING') return addText(event, value, builder, options)
  // The attributes of a valid event are strings or absent, and `data` takes back the text that the row had, if any.
  const usage = { ...value, data: part.columns.data?.at(row) ?? '{}' } as UsageRow
  const bytes = usageRowBytes(usage)
  if (bytes > options.maxEventBytes) return tooLarge(bytes, options)
  builder.addRow(event, usage, bytes)
  return undefined
}

function tooLarge(bytes: number, { maxEventBytes }: SortOptions): Verdict {
  return {
    code: 'event_too_large',
    detail: `The event has ${bytes} bytes; the broker takes ${maxEventBytes}.`,
  }
}

/**
 * Why the key may not send this event: it needs the scope of the event's stream, so a usage key cannot set
 * prices.
 */
function scopeProblem(type: string, { maySend }: SortOptions): Verdict | undefined {
  const stream = streamOf(type)
  if (maySend(stream)) return undefined
  return {
    code: 'insufficient_scope',
    detail: `The API key lacks the scope ${streamScopes[stream]} that events of this type need.`,
    pointer: '/type',
  }
}

function stoppedProblem({ type, subject }: ValidEvent, options: SortOptions): Verdict | undefined {
  if (options.stopped.size === 0 || streamOf(type) === 'CATALOG') return undefined
  const partition = partitionOf(subject, options.partitions)
  const why = options.stopped.get(partition)
  if (why === undefined) return undefined
  const detail = `Partition ${partition}, which the customer belongs to, has stopped: ${why} Send the event again later.`
  return { code: partitionStopped, detail }
}

/**
 * Checks extensions that Weir does not read: they are passed on only if every later reader can write them
 * again.
 */
function extensionProblem(event: object): Rejection | undefined {
  for (const [name, value] of Object.entries(event)) {
    if (typeof value !== 'object' || value === null || name === 'data') continue
    const problem = treeProblem(value)
    if (problem === undefined) continue
    return rejected(
      'invalid_attribute',
      `The attribute ${problem.detail}.`,
      `/${name.slice(0, shownIdLength)}`,
    ).rejection
  }
  return undefined
}

function idOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null
  const id: unknown = Reflect.get(value, 'id')
  return typeof id === 'string' ? id.slice(0, shownIdLength) : null
}
