// From the events of one request to a verdict on each and to chunks for the streams.
// Invariants: a bad event is refused alone; the order of a request is kept within each partition; the bytes of a chunk
// hold the events as they were sent, compared as values.

import { setImmediate as nextTurn } from 'node:timers/promises'
import { validateEvent } from '../../schemas/cloud-event.js'
import { partitionOf } from '../../schemas/identifiers.js'
import { treeProblem } from '../../schemas/json-text.js'
import { isLifecycleType } from '../../schemas/lifecycle-event.js'
import { type Parsed, type Rejection, rejected } from '../../schemas/rejection.js'
import type { ValidEvent } from '../../schemas/usage-event.js'
import { natsSubjects } from '../topology.js'
import type { EventChunk, EventStream } from './event-publisher.js'
import type { ProblemError } from './problem.js'
import { weirEventProblem } from './weir-events.js'

/** Why one event was refused. `index` is its place in the request. */
export interface EventVerdict {
  readonly index: number
  readonly id: string | null
  readonly code: string
  readonly detail: string
  readonly pointer?: string
  /** For a catalog: everything that is wrong with it. */
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
  /** Where a chunk is cut. */
  readonly chunkBytes: number
  /** What an event alone may have. */
  readonly maxEventBytes: number
}

/** Events between two turns of the event loop: some milliseconds. */
const eventsPerTurn = 2_000
/** A refused event's id is shown up to here. */
const shownIdLength = 256

export async function sortEvents(
  events: readonly Parsed<unknown>[],
  options: SortOptions,
): Promise<SortedEvents> {
  const sorter = new ChunkBuilder(options)
  const verdicts: EventVerdict[] = []
  for (let index = 0; index < events.length; index += 1) {
    if (index > 0 && index % eventsPerTurn === 0) await nextTurn()
    const parsed = events[index]!
    const rejection = parsed.kind === 'rejected' ? parsed.rejection : takeEvent(parsed.value, sorter, options)
    if (rejection !== undefined) {
      const id = parsed.kind === 'ok' ? idOf(parsed.value) : null
      verdicts.push({ index, id, ...rejection })
    }
  }
  return { chunks: sorter.finish(), accepted: events.length - verdicts.length, rejected: verdicts }
}

type Verdict = Omit<EventVerdict, 'index' | 'id'>

/** Puts the event into its chunk, or says why not. */
function takeEvent(value: unknown, builder: ChunkBuilder, options: SortOptions): Verdict | undefined {
  const parsed = validateEvent(value, options.arrivalMs)
  if (parsed.kind === 'rejected') return parsed.rejection
  const event = parsed.value
  const problem = extensionProblem(value as object) ?? weirEventProblem(event)
  if (problem !== undefined) return problem
  const text = JSON.stringify(value)
  const bytes = Buffer.byteLength(text) + 1
  if (bytes > options.maxEventBytes) {
    return {
      code: 'event_too_large',
      detail: `The event has ${bytes} bytes; the broker takes ${options.maxEventBytes}.`,
    }
  }
  builder.add(event, text, bytes)
  return undefined
}

/** Extensions that Weir does not read are passed on, as long as every later reader can write them again. */
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

/** Which stream an event of this type goes to. */
export function streamOf(type: string): EventStream {
  if (type === 'weir.catalog.published' || type === 'weir.fx_rate.published') return 'CATALOG'
  return isLifecycleType(type) ? 'LIFECYCLE' : 'METERING'
}

interface OpenChunk {
  readonly stream: EventStream
  readonly partition: number | null
  text: string
  bytes: number
  count: number
}

function natsSubjectOf(stream: EventStream, partition: number | null): string {
  if (partition === null) return natsSubjects.catalog
  return stream === 'METERING'
    ? natsSubjects.gatewayMetering(partition)
    : natsSubjects.gatewayLifecycle(partition)
}

class ChunkBuilder {
  readonly #options: SortOptions
  readonly #open = new Map<string, OpenChunk>()
  readonly #finished: EventChunk[] = []

  constructor(options: SortOptions) {
    this.#options = options
  }

  add(event: ValidEvent, text: string, bytes: number): void {
    const stream = streamOf(event.type)
    const partition = stream === 'CATALOG' ? null : partitionOf(event.subject, this.#options.partitions)
    const natsSubject = natsSubjectOf(stream, partition)
    let chunk = this.#open.get(natsSubject)
    if (chunk !== undefined && chunk.bytes + bytes > this.#options.chunkBytes) {
      this.#close(natsSubject, chunk)
      chunk = undefined
    }
    if (chunk === undefined) {
      chunk = { stream, partition, text: '', bytes: 0, count: 0 }
      this.#open.set(natsSubject, chunk)
    }
    chunk.text += `${text}\n`
    chunk.bytes += bytes
    chunk.count += 1
  }

  finish(): readonly EventChunk[] {
    for (const [natsSubject, chunk] of this.#open) this.#close(natsSubject, chunk)
    return this.#finished
  }

  #close(natsSubject: string, chunk: OpenChunk): void {
    this.#open.delete(natsSubject)
    const { stream, partition, text, count } = chunk
    this.#finished.push({ stream, partition, natsSubject, bytes: Buffer.from(text, 'utf8'), count })
  }
}
