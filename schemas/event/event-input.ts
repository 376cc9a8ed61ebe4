// The message that brought an event: its stream and its sequence there, by which the bytes as received can be read again.
// Kept in the state and in rows.

import type { EventStream } from './event-stream.js'

/** Plain data: it survives v8.serialize. One object is shared by all events of a message. */
export interface EventInput {
  readonly stream: EventStream | ''
  readonly sequence: number
}

/** Of what no message brought. */
export const noInput: EventInput = { stream: '', sequence: 0 }
