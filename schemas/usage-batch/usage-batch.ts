// Reads a usage batch from the bytes of an Arrow IPC stream. Contract section 2 in columns: a row means
// exactly the JSON event with these attributes, so that sending the event again as JSON is a duplicate.
// Invariants: a stream that is broken or has unknown columns is refused as a whole; a row that cannot be read
// is refused alone; nothing throws; the decoded size of a usage batch is bounded.

import { parseJson } from '../json/json-text.js'
import { type Rejection, rejected } from '../rejection.js'
import { instantFaultText } from '../time.js'
import {
  BlockCursor,
  DictionaryTexts,
  type DictionaryValues,
  NullTexts,
  type TextValues,
  TimestampTexts,
  textColumn,
  unreadable,
  unwritable,
} from './usage-batch-columns.js'
import {
  maxUsageBatchRows,
  maxUsageBatchTextBytes,
  requiredColumns,
  type UsageColumnName,
  usageColumnNames,
} from './usage-batch-schema.js'
import { type ArrowBlock, ArrowFault, type ArrowField, readArrowStream } from './usage-batch-stream.js'

/** The rows of one record batch, by column. */
export interface UsageRows {
  readonly length: number
  readonly columns: Readonly<Partial<Record<UsageColumnName, TextValues>>>
}

export interface UsageBatch {
  readonly rows: number
  readonly parts: readonly UsageRows[]
}

export type DecodedUsageBatch =
  | { readonly kind: 'ok'; readonly batch: UsageBatch }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** One row as a JSON event, before the envelope's rules are applied. */
export type RowEvent =
  | { readonly kind: 'ok'; readonly value: Record<string, unknown> }
  | { readonly kind: 'rejected'; readonly rejection: Rejection; readonly raw: Record<string, unknown> }

export function decodeUsageBatch(bytes: Uint8Array): DecodedUsageBatch {
  const reader = new BatchReader()
  try {
    readArrowStream(bytes, reader)
  } catch (error) {
    if (error instanceof TooLarge) return rejected('body_too_large', error.message)
    const isFault = error instanceof ArrowFault
    // DataView throws a RangeError for a read outside the metadata; any other error is a bug and is rethrown.
    if (!isFault && !(error instanceof RangeError)) throw error
    const detail = isFault ? error.message : 'its metadata are broken'
    return rejected('malformed_arrow', `The body is not a batch of usage events in Arrow: ${detail}.`)
  }
  return { kind: 'ok', batch: { rows: reader.rows, parts: reader.parts } }
}

class TooLarge extends Error {}

class BatchReader {
  readonly parts: UsageRows[] = []
  rows = 0
  #textBytes = 0
  #fields: readonly ArrowField[] = []
  readonly #dictionaries = new Map<number, DictionaryValues>()

  schema(fields: readonly ArrowField[]): void {
    assertColumns(fields)
    this.#fields = fields
  }

  dictionary(id: number, block: ArrowBlock, isDelta: boolean): void {
    const field = this.#fields.find(({ dictionary }) => dictionary?.id === id)
    if (field?.type.kind !== 'utf8') throw new ArrowFault('it has a dictionary that no column wants')
    assertRows(block.length)
    const texts = textColumn(new BlockCursor(block), field.type.offsetBytes)
    this.#grow(texts.textBytes)
    // Earlier record batches refer to the values of that time, so values are appended or replaced, never
    // changed.
    const before = isDelta ? this.#dictionaries.get(id) : undefined
    const values = before?.values ?? []
    for (let i = 0; i < texts.length; i += 1) values.push(texts.at(i))
    assertRows(values.length)
    this.#dictionaries.set(id, { values, texts: before === undefined ? texts : undefined })
  }

  batch(block: ArrowBlock): void {
    this.rows += block.length
    assertRows(this.rows)
    const cursor = new BlockCursor(block)
    const columns: Partial<Record<UsageColumnName, TextValues>> = {}
    for (const field of this.#fields) {
      const column = this.#column(field, cursor)
      this.#grow(column.textBytes)
      columns[field.name as UsageColumnName] = column
    }
    this.parts.push({ length: block.length, columns })
  }

  #column({ type, dictionary }: ArrowField, cursor: BlockCursor): TextValues {
    if (dictionary !== undefined) {
      const values = this.#dictionaries.get(dictionary.id) ?? { values: [], texts: undefined }
      return new DictionaryTexts(cursor, dictionary, values)
    }
    if (type.kind === 'utf8') return textColumn(cursor, type.offsetBytes)
    if (type.kind === 'timestamp') return new TimestampTexts(cursor, type.unit as 0 | 1 | 2 | 3)
    return new NullTexts(cursor.node().length)
  }

  #grow(textBytes: number): void {
    this.#textBytes += textBytes
    if (this.#textBytes > maxUsageBatchTextBytes) {
      throw new TooLarge(`The rows of the batch have more than ${maxUsageBatchTextBytes} bytes of text.`)
    }
  }
}

function assertRows(rows: number): void {
  if (rows > maxUsageBatchRows) {
    throw new TooLarge(`A batch has at most ${maxUsageBatchRows} rows; this one has ${rows} or more.`)
  }
}

const known: ReadonlySet<string> = new Set(usageColumnNames)
const utcNames: ReadonlySet<string> = new Set(['UTC', 'Etc/UTC', 'Z', '+00:00', 'GMT'])

function assertColumns(fields: readonly ArrowField[]): void {
  const seen = new Set<string>()
  for (const { name, type, dictionary } of fields) {
    const shown = JSON.stringify(name.slice(0, 64))
    if (!known.has(name))
      throw new ArrowFault(`the column ${shown} is not one of ${usageColumnNames.join(', ')}`)
    if (seen.has(name)) throw new ArrowFault(`the column ${shown} is there twice`)
    seen.add(name)
    const problem = typeProblem(name as UsageColumnName, type, dictionary !== undefined)
    if (problem !== undefined) throw new ArrowFault(`the column ${shown} ${problem}`)
  }
  const missing = requiredColumns.find(name => !seen.has(name))
  if (missing !== undefined) throw new ArrowFault(`the column "${missing}" is missing`)
}

function typeProblem(
  name: UsageColumnName,
  type: ArrowField['type'],
  isDictionary: boolean,
): string | undefined {
  const isRequired = requiredColumns.some(required => required === name)
  if (type.kind === 'utf8' || (type.kind === 'null' && !isRequired && !isDictionary)) return undefined
  if (name !== 'time') return `has the type ${typeName(type)}; it is utf8, or a dictionary of utf8`
  if (type.kind !== 'timestamp' || isDictionary)
    return `has the type ${typeName(type)}; it is utf8 or a timestamp in UTC`
  if (!(type.unit >= 0 && type.unit <= 3)) return 'counts neither seconds nor milli-, micro- or nanoseconds'
  return utcNames.has(type.timezone) ? undefined : 'is a timestamp whose time zone is not UTC'
}

function typeName(type: ArrowField['type']): string {
  return type.kind === 'other' ? type.name : type.kind
}

/** The row as an event. Absent attributes are undefined, so that the envelope's rules report them. */
export function rowEvent({ columns }: UsageRows, row: number): RowEvent {
  const { specversion } = columns
  const event = {
    specversion: specversion === undefined ? '1.0' : specversion.at(row),
    id: columns.id?.at(row),
    source: columns.source?.at(row),
    type: columns.type?.at(row),
    subject: columns.subject?.at(row),
    time: columns.time?.at(row),
    subscriptionid: columns.subscriptionid?.at(row),
    correlationid: columns.correlationid?.at(row),
    traceparent: columns.traceparent?.at(row),
    data: columns.data?.at(row) as unknown,
  }
  const broken = unreadableColumn(event)
  if (broken !== undefined) {
    return { kind: 'rejected', rejection: unreadableText(broken, event), raw: readable(event) }
  }
  if (typeof event.data !== 'string') return { kind: 'ok', value: event }
  const data = parseJson(event.data)
  if (data.kind === 'malformed') {
    const { rejection } = rejected('malformed_json', `The data is not JSON: ${data.detail}.`, '/data')
    return { kind: 'rejected', rejection, raw: event }
  }
  event.data = data.value
  return { kind: 'ok', value: event }
}

type RowValues = Readonly<Record<UsageColumnName, unknown>>

function unreadableColumn(event: RowValues): UsageColumnName | undefined {
  const { id, source, type, subject, time, data, specversion } = event
  const { subscriptionid, correlationid, traceparent } = event
  const isSound =
    id !== unreadable &&
    source !== unreadable &&
    type !== unreadable &&
    subject !== unreadable &&
    time !== unreadable &&
    time !== unwritable &&
    data !== unreadable &&
    specversion !== unreadable &&
    subscriptionid !== unreadable &&
    correlationid !== unreadable &&
    traceparent !== unreadable
  return isSound ? undefined : usageColumnNames.find(name => isBroken(event[name]))
}

/** The readable values of a row, for its dead letter. */
function readable(event: RowValues): Record<string, unknown> {
  return Object.fromEntries(Object.entries(event).filter(([, value]) => !isBroken(value)))
}

function isBroken(value: unknown): boolean {
  return value === unreadable || value === unwritable
}

function unreadableText(name: UsageColumnName, event: RowValues): Rejection {
  if (event[name] === unwritable) {
    return rejected(
      'time_out_of_range',
      `The attribute time ${instantFaultText('time_out_of_range')}.`,
      '/time',
    ).rejection
  }
  const code = name === 'time' ? 'invalid_time' : name === 'data' ? 'invalid_data' : 'invalid_attribute'
  return rejected(code, `The attribute ${name} is not UTF-8.`, `/${name}`).rejection
}

/** Every row in order. */
export function batchEvents(batch: UsageBatch): RowEvent[] {
  const events: RowEvent[] = []
  for (const part of batch.parts) {
    for (let row = 0; row < part.length; row += 1) events.push(rowEvent(part, row))
  }
  return events
}
