// A metered event with its key in the partition's state.

import type { MeteredEvent } from '../../../schemas/event/metered-event.js'

/** Plain data: it survives v8.serialize. */
export interface KeyedEvent extends MeteredEvent {
  /** Composite key of source and id. */
  readonly key: string
}
