// What an error of Chargebee means: by `api_error_code` and status. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { stopped } from '../http/outcome.js'
import { notReachedIn, unreadable } from '../http/sdk-fetch.js'

/** What the package throws: the body of the answer with its status. */
const errorSchema = z.object({
  http_status_code: z.number(),
  api_error_code: z.string().default(''),
  message: z.string().default(''),
  param: z.string().optional(),
})

/** `key`: of the record that was sent. */
export function outcomeOfError(error: unknown, redact: (text: string) => string, key?: string): PutOutcome {
  const outcome = notReachedIn(error)
  if (outcome !== undefined) return outcome
  const parsed = errorSchema.safeParse(error)
  if (!parsed.success) return unreadable(error, redact)
  const { http_status_code: status, api_error_code: code, message, param } = parsed.data
  if (status >= 500) return unreadable(error, redact)
  const detail = redact([code, message, param && `parameter ${param}`].filter(Boolean).join('; '))
  if (status === 409) return { kind: 'unclear', code: 'no_answer', detail }
  if (status === 403 || code === 'api_authorization_failed') return stopped('credentials_refused', detail)
  if (code === 'site_not_found' || code === 'api_not_enabled') return stopped('receiver_not_found', detail)
  if (code === 'duplicate_entry') {
    // The id is ours alone, so a usage that has it is this one.
    if (key !== undefined && param === 'id') return { kind: 'accepted', externalId: key }
    return { kind: 'refused', code: 'duplicate_document', detail }
  }
  return { kind: 'refused', code: 'receiver_refused', detail }
}
