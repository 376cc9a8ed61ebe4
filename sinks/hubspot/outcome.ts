// What an error of HubSpot means: by its category and status. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

export const errorSchema = z.object({
  category: z.string().default(''),
  message: z.string().default(''),
  context: z.record(z.string(), z.array(z.string())).optional(),
})
export type HubspotError = z.output<typeof errorSchema>

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success || parsed.data.message === '') return nobodyThere(answer)
  if (answer.status === 403)
    return stopped('credentials_refused', answer.redact(`${parsed.data.category}; ${parsed.data.message}`))
  return outcomeOfError(parsed.data, answer.redact)
}

export function outcomeOfError(
  { category, message }: HubspotError,
  redact: (text: string) => string,
): PutOutcome {
  const detail = redact([category, message].filter(Boolean).join('; '))
  if (category === 'OBJECT_NOT_FOUND') return { kind: 'refused', code: 'object_not_found', detail }
  if (category === 'RATE_LIMITS') return { kind: 'throttled', code: 'rate_limited', detail }
  if (/Property .* does not exist|PROPERTY_DOESNT_EXIST/i.test(message))
    return stopped('field_unknown', detail)
  return { kind: 'refused', code: 'receiver_refused', detail }
}
