// What Chargebee told of one object, as the files of the objects take it.

import type { ForeignObject } from '../map/object-fields.js'

export interface Told {
  readonly object: ForeignObject
  /** Of the event; `read` for an object that was read. */
  readonly type: string
  /** When the event occurred, or the object was read. */
  readonly atMs: number
  /** The event's id, where there is one: an event that is read again gives the same events. */
  readonly eventId: string | undefined
}

/** The type of an arrival that is an object as it was read. */
export const readType = 'read'

export const readable = ['subscription', 'customer', 'invoice', 'credit_note', 'transaction'] as const
export type Readable = (typeof readable)[number]
