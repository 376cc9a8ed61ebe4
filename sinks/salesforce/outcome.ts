// What an error of Salesforce means: by its errorCode. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

/** `errorCode` of an answer, `statusCode` of one record among many. */
export const errorsSchema = z
  .array(
    z.object({
      errorCode: z.string().optional(),
      statusCode: z.string().optional(),
      message: z.string().default(''),
      fields: z.array(z.string()).nullish(),
    }),
  )
  .min(1)

export type SalesforceErrors = z.output<typeof errorsSchema>

/** Limits of a day go on for hours: it is asked again after some minutes. */
const limitMs = 300_000

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorsSchema.safeParse(jsonOf(answer))
  return parsed.success ? outcomeOfErrors(parsed.data, answer.redact) : nobodyThere(answer)
}

export function outcomeOfErrors(errors: SalesforceErrors, redact: (text: string) => string): PutOutcome {
  const [{ errorCode, statusCode }] = errors as [SalesforceErrors[number]]
  const code = errorCode ?? statusCode ?? ''
  const detail = redact(
    errors
      .map(one => [one.errorCode ?? one.statusCode, one.message, (one.fields ?? []).join(', ')])
      .map(words => words.filter(Boolean).join('; '))
      .join(' | '),
  )
  switch (code) {
    case 'REQUEST_LIMIT_EXCEEDED':
    case 'CONCURRENT_REQUEST_LIMIT_EXCEEDED':
      return { kind: 'throttled', code: 'rate_limited', detail, retryAfterMs: limitMs }
    case 'UNABLE_TO_LOCK_ROW':
    case 'SERVER_UNAVAILABLE':
      return { kind: 'throttled', code: 'receiver_unavailable', detail }
    case 'INVALID_SESSION_ID':
    case 'API_DISABLED_FOR_ORG':
    case 'API_CURRENTLY_DISABLED':
      return stopped('credentials_refused', detail)
    case 'NOT_FOUND':
    case 'INVALID_CROSS_REFERENCE_KEY':
    case 'MALFORMED_ID':
      return { kind: 'refused', code: 'object_not_found', detail }
    case 'ENTITY_IS_DELETED':
      return { kind: 'refused', code: 'object_deleted', detail }
    case 'DUPLICATE_VALUE':
    case 'DUPLICATES_DETECTED':
      return { kind: 'refused', code: 'duplicate_document', detail }
    default:
      return { kind: 'refused', code: 'receiver_refused', detail }
  }
}

/** Of a query: a field or an object that is not there concerns every record alike. */
export function outcomeOfQuery(answer: ApiAnswer): PutOutcome {
  const parsed = errorsSchema.safeParse(jsonOf(answer))
  const code = parsed.success ? parsed.data[0]?.errorCode : undefined
  if (code === 'INVALID_FIELD' || code === 'INVALID_TYPE')
    return stopped('field_unknown', answer.redact(parsed.data?.[0]?.message ?? ''))
  return outcomeOfRefusal(answer)
}
