// The messages between the main thread and a worker: most bytes pass in shared memory, others by transfer, small values by
// copy.
//
// Invariants:
// 1. A transferred ArrayBuffer holds one value only. Views into memory that others use (from the NATS client, small
//    Buffers) are copied first.
// 2. The messages of one stream travel as one buffer, so that a commit of hundreds of messages costs a few transfers.
// 3. Shared memory has one user at a time: what goes with a call is the worker's until the call returns.

import type { MessageHeaders } from '../../schemas/event/binary-mode.js'
import type { TableFigures } from '../../schemas/rows/row-figures.js'
import { asWholeEvent } from '../core/decode/binary-mode.js'
import type { InputMessage } from '../core/decode/decode.js'
import { decompress } from '../core/decode/decompress.js'
import type {
  BillingRunOrder,
  CoreConfig,
  CoreOutput,
  Handover,
  HistoryAnswer,
  HistoryRequest,
} from '../core/ports/core-io.js'
import type { DedupeSegment } from '../core/state/dedupe-table.js'
import { copyInto } from '../memory/shared-memory.js'

/** Many messages in one buffer; the i-th ends at `ends[i]` and begins where the one before it ends. */
export interface PackedMessages {
  readonly bytes: Uint8Array
  readonly ends: Float64Array
  readonly seqs: Float64Array
  readonly arrivedAtMs: Float64Array
  /** Undefined when no message has one. */
  readonly contentTypes: readonly (string | undefined)[] | undefined
  /** Undefined when no message has one. */
  readonly contentEncodings: readonly (string | undefined)[] | undefined
  /** Undefined when no message is in binary mode. */
  readonly headers: readonly (MessageHeaders | undefined)[] | undefined
}

/** One segment of identities, to be taken over before the partition is opened. */
export interface LoadTask {
  readonly config: CoreConfig
  /** 0 begins anew. */
  readonly index: number
  readonly entries: Uint8Array
  /** The size of all segments together, so that memory is allocated once. */
  readonly bytesInAll: number
}

export interface OpenTask {
  readonly config: CoreConfig
  /** How many were loaded; without it, none. */
  readonly segments?: number
  readonly snapshot: Uint8Array | undefined
  readonly deltas: readonly Uint8Array[]
}

export interface PackedInput {
  readonly nowMs: number
  readonly commit: number
  readonly catalog: PackedMessages
  readonly lifecycle: PackedMessages
  readonly metering: PackedMessages
  readonly orders: readonly BillingRunOrder[]
  readonly history: readonly HistoryAnswer[]
  readonly handedOver?: readonly string[]
}

export interface ProcessTask {
  readonly partition: number
  readonly input: PackedInput
  /** Memory for the rated usage that the call writes. */
  readonly lent: readonly SharedArrayBuffer[]
}

export interface ProcessAnswer {
  readonly processed: Processed
  /** The lent buffers that were not needed. */
  readonly unused: readonly SharedArrayBuffer[]
}

export interface PartitionTask {
  readonly partition: number
}

/** The state as of the last call of `process`. */
export interface StateSnapshot {
  /** Without the dedupe table; pieces that are one state together. */
  readonly state: readonly Uint8Array[]
  /** What the table has seen since the snapshot before. */
  readonly dedupe: DedupeSegment
}

/** What the engine needs to know of a state that was just opened. */
export interface Opened {
  readonly historyRequests: readonly HistoryRequest[]
  readonly handovers: readonly Handover[]
  readonly holdsCustomers: boolean
}

export interface Processed extends CoreOutput {
  readonly holdsCustomers: boolean
  /** Of the rows in `outputs`. */
  readonly figures: TableFigures
}

/** The state of one partition, wherever it is held. The engine's only view of it; calls run one after another. */
export interface PartitionWorker {
  load(task: LoadTask): Promise<void>
  open(task: OpenTask): Promise<Opened>
  process(input: PackedInput): Promise<Processed>
  snapshot(): Promise<StateSnapshot>
  close(): Promise<void>
}

/** Copies the messages into one buffer of their own, from `memory`. */
export function packMessages(
  messages: readonly InputMessage[],
  memory: (length: number) => Uint8Array = length => new Uint8Array(length),
): PackedMessages {
  let length = 0
  for (const message of messages) length += message.bytes.length
  const bytes = memory(length)
  const ends = new Float64Array(messages.length)
  const seqs = new Float64Array(messages.length)
  const arrivedAtMs = new Float64Array(messages.length)
  let contentTypes: (string | undefined)[] | undefined
  let contentEncodings: (string | undefined)[] | undefined
  let headers: (MessageHeaders | undefined)[] | undefined
  let end = 0
  for (let i = 0; i < messages.length; i += 1) {
    const message = messages[i]!
    copyInto(bytes, end, message.bytes)
    end += message.bytes.length
    ends[i] = end
    seqs[i] = message.seq
    arrivedAtMs[i] = message.arrivedAtMs
    if (message.contentType !== undefined) {
      contentTypes ??= new Array<string | undefined>(messages.length).fill(undefined)
      contentTypes[i] = message.contentType
    }
    if (message.contentEncoding !== undefined) {
      contentEncodings ??= new Array<string | undefined>(messages.length).fill(undefined)
      contentEncodings[i] = message.contentEncoding
    }
    if (message.headers !== undefined) {
      headers ??= new Array<MessageHeaders | undefined>(messages.length).fill(undefined)
      headers[i] = message.headers
    }
  }
  return { bytes, ends, seqs, arrivedAtMs, contentTypes, contentEncodings, headers }
}

/** Views into the packed buffer, without a copy; compressed messages are decompressed, and events in binary mode made whole. */
export function unpackMessages(packed: PackedMessages): InputMessage[] {
  const messages: InputMessage[] = []
  let start = 0
  for (let i = 0; i < packed.ends.length; i += 1) {
    const end = packed.ends[i]!
    const contentType = packed.contentTypes?.[i]
    const contentEncoding = packed.contentEncodings?.[i]
    const message = {
      seq: packed.seqs[i]!,
      arrivedAtMs: packed.arrivedAtMs[i]!,
      bytes: packed.bytes.subarray(start, end),
      ...(contentType === undefined ? {} : { contentType }),
    }
    const plain = decompress(contentEncoding === undefined ? message : { ...message, contentEncoding })
    const headers = packed.headers?.[i]
    messages.push(headers === undefined ? plain : asWholeEvent({ ...plain, headers }))
    start = end
  }
  return messages
}

/** The buffers of an input that are given up to the worker: all that are not shared with it. */
export function inputBuffers(input: PackedInput): ArrayBuffer[] {
  const buffers: ArrayBufferLike[] = [input.catalog, input.lifecycle, input.metering].flatMap(
    ({ bytes, ends, seqs, arrivedAtMs }) => [bytes, ends, seqs, arrivedAtMs].map(({ buffer }) => buffer),
  )
  return buffers.filter(buffer => buffer instanceof ArrayBuffer)
}

/** Whether both threads see these bytes as they are. */
export function isShared(bytes: Uint8Array): bytes is Uint8Array<SharedArrayBuffer> {
  return bytes.buffer instanceof SharedArrayBuffer
}

/** The same bytes in a buffer of their own, which may be transferred; copied unless they already are. */
export function owned(bytes: Uint8Array): Uint8Array {
  const alone = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
  return alone ? new Uint8Array(bytes.buffer) : Uint8Array.from(bytes) // invariant 1
}

export function bufferOf(view: ArrayBufferView): ArrayBuffer {
  return view.buffer as ArrayBuffer // made by `packMessages` or `owned`
}
