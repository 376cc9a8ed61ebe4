// The port by which a feature changes events before anything of them is kept: what is personal is replaced.

import type { ParsedEvent } from '../../schemas/event/cloud-event.js'

export interface EventProtection {
  /** False: events of this type are kept as they came. */
  concerns(type: string): boolean
  /** The same events, as they may be kept. Throws a `Problem` of 503 while that cannot be known. */
  protect(events: readonly ParsedEvent[]): Promise<readonly ParsedEvent[]>
}
