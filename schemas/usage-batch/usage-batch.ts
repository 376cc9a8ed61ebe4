// Reads a usage batch from the bytes of an Arrow IPC stream. Contract section 2 in columns: a row means
// exactly the JSON event with these attributes, so that sending the event again as JSON is a duplicate.
// Invariants: a stream that is broken or has unknown columns is refused as a whole; a row that cannot be read
// is refused alone; nothing throws; the decoded size of a usage batch is bounded.

import { parseJson } from '../json/json-text.js'
import { type Rejection, rejected } from '../rejection.js'
import { instantFaultText } from '../time.js'
import { DataTexts } from './usage-batch-data.js'
import { ArrowFault, TooLarge } from './usage-batch-fault.js'
import { UsageBatchReader, type UsageRows } from './usage-batch-reader.js'
import { type UsageColumnName, usageColumnNames } from './usage-batch-schema.js'
import { readArrowStream } from './usage-batch-stream.js'
import { unreadable, unwritable } from './usage-batch-texts.js'

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
  const reader = new UsageBatchReader()
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
    datacontenttype: columns.datacontenttype?.at(row),
    subscriptionid: columns.subscriptionid?.at(row),
    correlationid: columns.correlationid?.at(row),
    traceparent: columns.traceparent?.at(row),
    data: columns.data?.at(row) as unknown,
  }
  const broken = unreadableColumn(event)
  if (broken !== undefined) {
    const fault = broken === 'data' && columns.data instanceof DataTexts ? columns.data.fault(row) : undefined
    return { kind: 'rejected', rejection: fault ?? unreadableText(broken, event), raw: readable(event) }
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
  const { datacontenttype, subscriptionid, correlationid, traceparent } = event
  const isSound =
    id !== unreadable &&
    source !== unreadable &&
    type !== unreadable &&
    subject !== unreadable &&
    time !== unreadable &&
    time !== unwritable &&
    data !== unreadable &&
    specversion !== unreadable &&
    datacontenttype !== unreadable &&
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
