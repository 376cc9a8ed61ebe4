// One process() call under way: the state it works on, what it counts, and the rows it writes.
// Invariant: every change of an event's disposition goes through `moved` or `counted`, so received = the sum (I5).

import type { Disposition, DispositionCounts } from '../../../schemas/event/dispositions.js'
import { zeroDispositions } from '../../../schemas/event/dispositions.js'
import { type EventData, eventData } from '../../../schemas/event/event-data.js'
import { isRecord, parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import { FieldRules } from '../../../schemas/personal-data/field-rules.js'
import { maskNumbers } from '../../../schemas/personal-data/masking.js'
import type { Rejection } from '../../../schemas/rejection.js'
import { nsOf } from '../../../schemas/time.js'
import { attributeOf, type Decoded, type ReceivedEvent } from '../decode/decode.js'
import type { CoreConfig } from '../ports/core-io.js'
import type { UsageReader } from '../rate/usage-reader.js'
import type { ContentHashes, LedgerWriter } from '../rows/ledger-writer.js'
import type { Outcome } from '../rows/outcome.js'
import type { PartitionState } from '../state/partition-state.js'
import type { PriceBook } from '../state/price-book.js'
import type { Attributes, Envelope } from '../state/records.js'
import { SchemaBook } from './schema-book.js'

export class Step {
  readonly config: CoreConfig
  readonly state: PartitionState
  readonly book: PriceBook
  readonly out: LedgerWriter
  readonly reader: UsageReader
  readonly nowMs: number
  readonly commit: number
  readonly personal: FieldRules
  readonly schemas: SchemaBook
  /** Differences from the state before this call. */
  readonly counts: DispositionCounts = zeroDispositions()

  constructor(
    config: CoreConfig,
    state: PartitionState,
    book: PriceBook,
    out: LedgerWriter,
    reader: UsageReader,
    at: { readonly nowMs: number; readonly commit: number },
    schemas = new SchemaBook(),
  ) {
    this.schemas = schemas
    this.config = config
    this.state = state
    this.book = book
    this.out = out
    this.reader = reader
    this.nowMs = at.nowMs
    this.commit = at.commit
    this.personal = new FieldRules(config.limits.personalFields)
  }

  /** Counts the disposition that a received event has for now. */
  counted(disposition: Disposition): void {
    this.counts.received += 1
    this.counts[disposition] += 1
  }

  /** Changes the disposition of an event that was counted before. */
  moved(from: Disposition, to: Disposition): void {
    this.counts[from] -= 1
    this.counts[to] += 1
  }

  /** Writes a row for a disposition that has no other row. */
  outcome(envelope: Attributes, outcome: Outcome): void {
    this.out.outcome(envelope, outcome)
  }

  /** `hashes` of a conflict: of the kept content and of the content sent now. */
  deadLetter(envelope: Envelope, rejection: Rejection, hashes?: ContentHashes): void {
    this.out.deadLetter(this.#withoutPersonalData(envelope), rejection, 1, hashes)
  }

  /** Takes an event back from its dead letter, because it is now rated after all. */
  takeBackDeadLetter(envelope: Envelope, rejection: Rejection): void {
    this.out.deadLetter(this.#withoutPersonalData(envelope), rejection, -1)
  }

  /** An amendment of usage holds the data of the event that it amends. */
  #isClean(type: string, data: EventData): boolean {
    if (this.personal.inClear(type, data).length > 0) return false
    const { type: amended, data: inner } = data
    if (type !== 'weir.usage.amended' || !isRecord(inner)) return true
    return this.personal.inClear(typeof amended === 'string' ? amended : undefined, inner).length === 0
  }

  /** Without its payload, where that has a personal field in the clear or cannot be searched for one. */
  #withoutPersonalData(envelope: Envelope): Envelope {
    const { type, payload } = envelope
    const masked = type.startsWith('weir.') ? maskNumbers(payload) : payload
    if (this.personal.isEmpty) return masked === payload ? envelope : { ...envelope, payload: masked }
    const parsed = parseJson(payload)
    const data = parsed.kind === 'ok' && isRecord(parsed.value) ? eventData(parsed.value) : undefined
    const isClean = data?.kind === 'ok' && this.#isClean(type, data.value)
    return { ...envelope, payload: isClean ? masked : '' }
  }
}

/** The payload of a dead letter is bounded; the part that is cut off is still in the input stream. */
export const keptPayloadLength = 64 * 1024

export function envelopeOf(received: ReceivedEvent): Envelope {
  return { ...attributesOf(received), payload: payloadOf(received.raw) }
}

/** The envelope without the payload, which is long in the making. */
export function attributesOf(received: ReceivedEvent): Attributes {
  const { event } = received
  return {
    source: event.source,
    id: event.id,
    type: event.type,
    customerId: event.subject,
    timeNs: event.timeNs,
    arrivedAtMs: received.arrivedAtMs,
    correlationId: event.correlationId,
    traceparent: event.traceparent,
    input: received.input,
  }
}

/** For an event without a valid envelope: what can be read of it. */
export function envelopeOfRefused(refused: Exclude<Decoded, ReceivedEvent>): Envelope {
  const { raw } = refused
  return {
    source: attributeOf(raw, 'source'),
    id: attributeOf(raw, 'id'),
    type: attributeOf(raw, 'type'),
    customerId: attributeOf(raw, 'subject'),
    timeNs: nsOf(refused.arrivedAtMs),
    arrivedAtMs: refused.arrivedAtMs,
    correlationId: '',
    traceparent: '',
    input: refused.input,
    payload: payloadOf(raw),
  }
}

export function payloadOf(raw: unknown): string {
  const text = typeof raw === 'string' ? raw : stringifyJson(raw)
  return text.length <= keptPayloadLength ? text : text.slice(0, keptPayloadLength)
}
