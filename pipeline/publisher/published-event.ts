// Turns an event from a producer into a row. The event is checked against the envelope's rules at once, so
// that the producer learns of a mistake from `publish` and not from a dead letter.

import { validateEvent } from '../../schemas/event/cloud-event.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import type { UsageRow } from '../../schemas/usage-batch/usage-batch-writer.js'
import type { Refusal } from './transport.js'

/** A usage event: the CloudEvents attributes of contract section 2. */
export interface PublishedEvent {
  /** Together with `source` the permanent identity of the event. Default: a random UUID. */
  readonly id?: string
  /** Default: the publisher's `source`. */
  readonly source?: string
  readonly type: string
  /** The customer id. */
  readonly subject: string
  /**
   * When the usage happened: RFC 3339 text, or a Date. Default: the time of `publish`, however late the event
   * lands.
   */
  readonly time?: string | Date
  readonly subscriptionid?: string
  readonly correlationid?: string
  readonly traceparent?: string
  /**
   * A number is read as JavaScript prints it; use a bigint or decimal text for more digits. Default: the empty object,
   * which is enough to be counted.
   */
  readonly data?: Readonly<Record<string, unknown>>
}

export interface RowDefaults {
  readonly source: string | undefined
  readonly nowMs: number
  readonly newId: () => string
}

export type TakenRow =
  | { readonly kind: 'ok'; readonly row: UsageRow }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export function rowOf(event: PublishedEvent, defaults: RowDefaults): TakenRow {
  const { time } = event
  if (time instanceof Date && Number.isNaN(time.getTime())) {
    return refused('invalid_time', 'The attribute time is not a valid date.', '/time')
  }
  const attributes = {
    id: event.id ?? defaults.newId(),
    source: event.source ?? defaults.source,
    type: event.type,
    subject: event.subject,
    time: (time instanceof Date ? time : (time ?? new Date(defaults.nowMs))) as string | Date,
    subscriptionid: event.subscriptionid,
    correlationid: event.correlationid,
    traceparent: event.traceparent,
  }
  const timeText = attributes.time instanceof Date ? attributes.time.toISOString() : attributes.time
  const value = { specversion: '1.0', ...attributes, time: timeText, data: event.data }
  const valid = validateEvent(value, defaults.nowMs)
  if (valid.kind === 'rejected') return { kind: 'refused', refusal: valid.rejection }
  if (valid.value.type.startsWith('weir.')) {
    return refused(
      'not_usage',
      'Types that begin with weir. are not usage; send them to the gateway.',
      '/type',
    )
  }
  const data = jsonOf(event.data ?? {})
  if (data === undefined) return refused('invalid_data', 'The data cannot be written as JSON.', '/data')
  // JSON.stringify silently writes NaN and the infinities as null.
  if (data.includes('null') && holdsNoNumber(event.data)) {
    return refused('invalid_data', 'The data holds a number that is not finite.', '/data')
  }
  // validateEvent has checked that the attributes are strings.
  return { kind: 'ok', row: { ...attributes, time: timeText, data } as UsageRow }
}

/** Whether a value holds NaN or an infinity. The envelope's rules bound the depth of the tree. */
function holdsNoNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsNoNumber)
}

/** The data as JSON text; undefined when it refers to itself. */
function jsonOf(data: unknown): string | undefined {
  try {
    return stringifyJson(data)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return undefined
  }
}

function refused(code: string, detail: string, pointer: string): TakenRow {
  return { kind: 'refused', refusal: { code, detail, pointer } }
}
