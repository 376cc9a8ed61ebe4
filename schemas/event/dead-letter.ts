// The dead letter: an event that was refused, and why. Contract sections 2 and 5.
// The row of the table `dead_letters`, with payload and hashes, is in tables.ts.

import { z } from 'zod'
import type { RejectionCode } from '../rejection.js'

/** A dead letter as `simulate --json` and the dead-letter API print it. */
export interface DeadLetterWire {
  readonly source: string
  readonly id: string
  readonly code: string
  readonly detail: string
  readonly correlation_id: string
}

export const deadLetterSchema = z.object({
  source: z.string(),
  id: z.string(),
  code: z.string(),
  detail: z.string(),
  correlation_id: z.string(),
})

/** `source` and `id` are empty when they could not be read. Takes a row of `dead_letters`. */
export function deadLetterToWire(letter: {
  readonly eventSource: string
  readonly eventId: string
  readonly code: RejectionCode | string
  readonly detail: string
  readonly correlationId: string
}): DeadLetterWire {
  return {
    source: letter.eventSource,
    id: letter.eventId,
    code: letter.code,
    detail: letter.detail,
    correlation_id: letter.correlationId,
  }
}
