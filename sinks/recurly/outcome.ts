// What an error of Recurly means: by its type and status. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

const errorSchema = z.object({
  error: z.object({
    type: z.string(),
    message: z.string().default(''),
    params: z.array(z.object({ param: z.string().default(''), message: z.string().default('') })).nullish(),
  }),
})

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success) return nobodyThere(answer)
  const { type, message, params } = parsed.data.error
  const named = (params ?? []).map(one => [one.param, one.message].filter(Boolean).join(' '))
  const detail = answer.redact([type, message, ...named].filter(Boolean).join('; '))
  // Another request with this idempotency key is being carried out.
  if (answer.status === 409) return { kind: 'unclear', code: 'no_answer', detail }
  if (answer.status === 403) return stopped('credentials_refused', detail)
  return { kind: 'refused', code: 'receiver_refused', detail }
}
