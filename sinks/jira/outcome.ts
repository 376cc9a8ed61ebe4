// What an error of Jira means: by its status. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

const errorSchema = z.object({
  errorMessages: z.array(z.string()).default([]),
  errors: z.record(z.string(), z.string()).default({}),
})

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success) return nobodyThere(answer)
  const { errorMessages, errors } = parsed.data
  const named = Object.entries(errors).map(([field, words]) => `${field}: ${words}`)
  const detail = answer.redact([...errorMessages, ...named].join('; '))
  if (answer.status === 403) return stopped('credentials_refused', detail)
  if (answer.status === 404) return { kind: 'refused', code: 'object_not_found', detail }
  return { kind: 'refused', code: 'receiver_refused', detail }
}
