// Puts the rows of `event_outcomes` into Arrow: from the columns of a scan, or from the attributes of an event that an
// object holds. A flood of duplicates so costs no object per event.
// Owns which value goes into which column; what is written and why is decided by the callers.
// Invariant: a chunk has at most `maxRows` rows and about `maxBytes` bytes, unless it is a single row.

import { Int64Column, NanosecondColumn, TextColumn } from '../../../schemas/arrow/arrow-columns.js'
import { DictionaryColumn, putCodes } from '../../../schemas/arrow/arrow-dictionary.js'
import { IpcBatch, type IpcDictionary, ipcStream } from '../../../schemas/arrow/arrow-ipc.js'
import { NumberDictionary } from '../../../schemas/arrow/arrow-number-dictionary.js'
import { codedSchema } from '../../../schemas/arrow/arrow-schema.js'
import type { EventInput } from '../../../schemas/event/event-input.js'
import { type EventOutcomeRow, eventOutcomesTable } from '../../../schemas/tables.js'
import { msOf, nanosOf, nsOf } from '../../../schemas/time.js'
import type { LedgerOutput } from '../ports/core-io.js'
import { type ScannedEvents, textAt, textPlaces, textWords } from '../scan/scanned-events.js'
import type { Attributes } from '../state/records.js'
import { InputColumns } from './input-columns.js'
import type { Outcome } from './outcome.js'
import { appendSpan, putConstant } from './put-column.js'
import type { RatedAt } from './rated-usage-row.js'

const schema = codedSchema(
  eventOutcomesTable,
  ['event_id', 'detail', 'payload', 'target_id', 'correlation_id'],
  ['recorded_at', 'event_count', 'input_sequence', 'partition', 'ledger_sequence'],
)
/** Fixed bytes of a row: its instants, its codes and the offsets of its texts. */
const fixedRowBytes = 2 * 8 + 12 * 2 + 5 * 4
/** The schema, and the position of each dictionary and buffer. */
const overheadBytes = 8 * 1024

/** The events of one message. */
export interface ScannedMessage {
  readonly scan: ScannedEvents
  readonly arrivedAtMs: number
  readonly input: EventInput
}

export class EventOutcomeColumns {
  readonly #texts = {
    event_source: new DictionaryColumn(),
    event_id: new TextColumn(),
    event_type: new DictionaryColumn(),
    customer_id: new DictionaryColumn(),
    disposition: new DictionaryColumn(),
    code: new DictionaryColumn(),
    detail: new TextColumn(),
    payload: new TextColumn(),
    target_source: new DictionaryColumn(),
    target_id: new TextColumn(),
    correlation_id: new TextColumn(),
  }
  readonly #allTexts = Object.values(this.#texts)
  readonly #eventTime = new NanosecondColumn()
  readonly #ingestedAt = new Int64Column()
  readonly #inputs = new InputColumns()
  #counts: number[] = []
  readonly #maxRows: number
  readonly #maxBytes: number
  #at: RatedAt = { ratedAtMs: 0, partition: 0, ledgerSequence: 0 }
  #rows = 0

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = maxRows
    this.#maxBytes = maxBytes
  }

  /** Rows that follow are of this commit. */
  begin(at: RatedAt): void {
    this.#clear()
    this.#at = at
  }

  add(event: Attributes, outcome: Outcome, out: LedgerOutput[]): void {
    const texts = this.#texts
    texts.event_source.append(event.source)
    texts.event_id.append(event.id)
    texts.event_type.append(event.type)
    texts.customer_id.append(event.customerId)
    texts.correlation_id.append(event.correlationId)
    this.#eventTime.append(msOf(event.timeNs), nanosOf(event.timeNs))
    this.#ingestedAt.append(event.arrivedAtMs)
    this.#inputs.append(event.input)
    if (this.#close(outcome, out)) this.add(event, outcome, out)
  }

  /** `timeMs`: of the event, or of its arrival. */
  addScanned(
    message: ScannedMessage,
    event: number,
    timeMs: number,
    outcome: Outcome,
    out: LedgerOutput[],
  ): void {
    const { scan, arrivedAtMs, input } = message
    const texts = this.#texts
    this.#appendText(texts.event_source, scan, event, textPlaces.source)
    this.#appendText(texts.event_id, scan, event, textPlaces.id)
    this.#appendText(texts.event_type, scan, event, textPlaces.type)
    this.#appendText(texts.customer_id, scan, event, textPlaces.subject)
    this.#appendText(texts.correlation_id, scan, event, textPlaces.correlationid)
    this.#eventTime.append(timeMs, scan.timeNanos[event]!)
    this.#ingestedAt.append(arrivedAtMs)
    this.#inputs.append(input)
    if (this.#close(outcome, out)) this.addScanned(message, event, timeMs, outcome, out)
  }

  /** Writes everything that was added to `out`. */
  flush(out: LedgerOutput[]): void {
    if (this.#rows === 0) return
    const rows = this.#rows
    const batch = new IpcBatch(rows)
    const dictionaries: IpcDictionary[] = []
    for (const { name } of eventOutcomesTable.columns)
      this.#put(name as OutcomeColumn, batch, dictionaries, rows)
    out.push({ table: eventOutcomesTable.name, bytes: ipcStream(schema.message, dictionaries, batch), rows })
    this.#clear()
  }

  #clear(): void {
    for (const column of this.#allTexts) column.clear()
    this.#eventTime.clear()
    this.#ingestedAt.clear()
    this.#inputs.clear()
    this.#counts = []
    this.#rows = 0
  }

  #appendText(
    column: TextColumn | DictionaryColumn,
    scan: ScannedEvents,
    event: number,
    place: number,
  ): void {
    const at = event * textWords + place * 2
    appendSpan(column, scan.bytes, scan.texts[at]!, scan.texts[at + 1]!)
  }

  /** True: the row did not fit and was removed; the rows before it were written. */
  #close(outcome: Outcome, out: LedgerOutput[]): boolean {
    const texts = this.#texts
    texts.disposition.append(outcome.disposition)
    texts.code.append(outcome.code)
    texts.detail.append(outcome.detail)
    texts.payload.append(outcome.payload ?? '')
    texts.target_source.append(outcome.target?.source ?? '')
    texts.target_id.append(outcome.target?.id ?? '')
    this.#counts.push(outcome.change)
    this.#rows += 1
    const isTooLarge = this.#rows > 1 && this.#size() > this.#maxBytes
    if (isTooLarge) this.#rows -= 1
    if (isTooLarge || this.#rows >= this.#maxRows) this.flush(out)
    return isTooLarge
  }

  #size(): number {
    let size = overheadBytes + this.#rows * fixedRowBytes + this.#inputs.size
    for (const column of this.#allTexts) size += column.size
    return size
  }

  #put(name: OutcomeColumn, batch: IpcBatch, dictionaries: IpcDictionary[], rows: number): void {
    const [id = 0] = schema.dictionaryIds.get(name) ?? []
    switch (name) {
      case 'event_time':
        this.#eventTime.put(batch, rows)
        return
      case 'ingested_at':
        this.#ingestedAt.put(batch, rows)
        return
      case 'recorded_at':
        dictionaries.push(putConstant(batch, id, 'instant_ms', this.#at.ratedAtMs, rows))
        return
      case 'event_count':
        dictionaries.push(this.#putCounts(batch, id, rows))
        return
      case 'input_stream':
        dictionaries.push(this.#inputs.putStreams(batch, id, rows))
        return
      case 'input_sequence':
        dictionaries.push(this.#inputs.putSequences(batch, id, rows))
        return
      case 'partition':
        dictionaries.push(putConstant(batch, id, 'uint32', this.#at.partition, rows))
        return
      case 'ledger_sequence':
        dictionaries.push(putConstant(batch, id, 'uint64', this.#at.ledgerSequence, rows))
        return
      default: {
        const column = this.#texts[name]
        if (column instanceof TextColumn) column.put(batch, rows)
        else dictionaries.push(column.put(batch, id, rows))
      }
    }
  }

  #putCounts(batch: IpcBatch, id: number, rows: number): IpcDictionary {
    const dictionary = new NumberDictionary()
    const codes = Uint16Array.from(this.#counts.slice(0, rows), count => dictionary.codeOf(count))
    batch.node(rows)
    putCodes(batch, codes, rows)
    return dictionary.put(id, 'int8')
  }
}

type OutcomeColumn =
  | 'event_source'
  | 'event_id'
  | 'event_type'
  | 'customer_id'
  | 'event_time'
  | 'ingested_at'
  | 'recorded_at'
  | 'disposition'
  | 'code'
  | 'detail'
  | 'event_count'
  | 'payload'
  | 'target_source'
  | 'target_id'
  | 'correlation_id'
  | 'input_stream'
  | 'input_sequence'
  | 'partition'
  | 'ledger_sequence'

/** The same row as an object, for callers that look at rows. */
export function outcomeRow(event: Attributes, outcome: Outcome, at: RatedAt): EventOutcomeRow {
  return {
    eventSource: event.source,
    eventId: event.id,
    eventType: event.type,
    customerId: event.customerId,
    eventTimeNs: event.timeNs,
    ingestedAtMs: event.arrivedAtMs,
    recordedAtMs: at.ratedAtMs,
    disposition: outcome.disposition,
    code: outcome.code,
    detail: outcome.detail,
    eventCount: outcome.change,
    payload: outcome.payload ?? '',
    targetSource: outcome.target?.source ?? '',
    targetId: outcome.target?.id ?? '',
    correlationId: event.correlationId,
    inputStream: event.input.stream,
    inputSequence: event.input.sequence,
    partition: at.partition,
    ledgerSequence: at.ledgerSequence,
  }
}

export function attributesOfScanned(message: ScannedMessage, event: number, timeMs: number): Attributes {
  const { scan, arrivedAtMs, input } = message
  return {
    source: textAt(scan, event, textPlaces.source),
    id: textAt(scan, event, textPlaces.id),
    type: textAt(scan, event, textPlaces.type),
    customerId: textAt(scan, event, textPlaces.subject),
    timeNs: nsOf(timeMs, scan.timeNanos[event]!),
    arrivedAtMs,
    correlationId: textAt(scan, event, textPlaces.correlationid),
    traceparent: textAt(scan, event, textPlaces.traceparent),
    input,
  }
}
