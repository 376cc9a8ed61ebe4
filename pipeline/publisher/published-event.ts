// An event as a producer hands it over, and the row that it becomes. Held against the envelope's rules at once, so that a
// producer learns of its own mistake on the spot and not from a dead letter.

import { validateEvent } from '../../schemas/event/cloud-event.js'
import { stringifyJson } from '../../schemas/json/json-text.js'
import type { UsageRow } from '../../schemas/usage-batch/usage-batch-writer.js'
import type { Refusal } from './transport.js'

/** A usage event: the CloudEvents attributes of contract section 2. */
export interface PublishedEvent {
  /** With `source` the identity of the event, for ever. Default: a random UUID. */
  readonly id?: string
  /** Default: the publisher's own. */
  readonly source?: string
  readonly type: string
  /** The customer id. */
  readonly subject: string
  /** When it happened. RFC 3339 text, or a Date. Default: now, so that an outage does not move it. */
  readonly time?: string | Date
  readonly subscriptionid?: string
  readonly correlationid?: string
  readonly traceparent?: string
  /** A number counts as JavaScript prints it; a bigint, or a text of decimals, is exact beyond that. */
  readonly data: Readonly<Record<string, unknown>>
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
  const data = jsonOf(event.data)
  if (data === undefined) return refused('invalid_data', 'The data cannot be written as JSON.', '/data')
  // JSON.stringify makes null of NaN and the infinities, which nobody meant.
  if (data.includes('null') && holdsNoNumber(event.data)) {
    return refused('invalid_data', 'The data holds a number that is not finite.', '/data')
  }
  // What validateEvent let pass: texts where the row has texts.
  return { kind: 'ok', row: { ...attributes, time: timeText, data } as UsageRow }
}

/** The tree is no deeper than the envelope's rules let it be. */
function holdsNoNumber(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsNoNumber)
}

/** A circle cannot be written. */
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
