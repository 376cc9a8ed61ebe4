// What an error of Zendesk means: by its status and its word. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

const errorSchema = z.object({
  error: z.union([z.string(), z.object({ title: z.string(), message: z.string().default('') })]),
  description: z.string().optional(),
  details: z.unknown().optional(),
})

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success) return nobodyThere(answer)
  const { error, description, details } = parsed.data
  const words = typeof error === 'string' ? error : `${error.title}: ${error.message}`
  const told = details === undefined ? '' : JSON.stringify(details)
  const detail = answer.redact([words, description, told].filter(Boolean).join('; '))
  if (answer.status === 403) return stopped('credentials_refused', detail)
  // Another request with this idempotency key is being carried out.
  if (answer.status === 409) return { kind: 'unclear', code: 'no_answer', detail }
  if (answer.status === 404) return { kind: 'refused', code: 'object_not_found', detail }
  // A ticket that is closed for good takes nothing any more.
  if (/closed/i.test(detail) && answer.status === 422) return { kind: 'refused', code: 'case_closed', detail }
  return { kind: 'refused', code: 'receiver_refused', detail }
}
