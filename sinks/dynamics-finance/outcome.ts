// What Dynamics 365 Finance means by an error: `{error: {code, message, innererror: {message}}}`. The useful words are those of
// the inner error, which come from its validation; they are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, nobodyThere } from '../http/api.js'
import type { NotReached } from '../http/outcome.js'

const errorSchema = z.object({
  error: z.object({
    code: z.string().default(''),
    message: z.string().default(''),
    innererror: z.object({ message: z.string().default('') }).optional(),
  }),
})

export type Refused = Extract<PutOutcome, { kind: 'refused' }>

const byWords: readonly (readonly [RegExp, string])[] = [
  [
    /period.*(closed|on hold|not open|stopped)|no (fiscal|open) (calendar )?period|fiscal calendar/i,
    'period_closed',
  ],
  [/(account|value).*(inactive|suspended|not active|blocked)/i, 'account_inactive'],
  [/(does|do|did) not balance|out of balance|not balanced/i, 'entry_unbalanced'],
  [/currency/i, 'currency_not_enabled'],
  [/dimension|account structure|combination/i, 'dimension_missing'],
  [/already exists|duplicate key/i, 'duplicate_document'],
]

/** Nothing was done, and it passes. */
const isLocked = /deadlock|update conflict|locked by|another user/i

/** Of an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): Refused | NotReached {
  const { status, body, redact } = answer
  if (status === 404 || status === 405) return nobodyThere(answer) as NotReached
  return outcomeOfError(status, body, redact)
}

/**
 * Of an error in an answer, or inside an answer of 200 to `$batch`: a changeset that answers with an error has not taken effect,
 * whatever its status.
 */
export function outcomeOfError(
  status: number,
  body: string,
  redact: (text: string) => string,
): Refused | NotReached {
  const error = errorIn(body)
  const inner = error?.innererror?.message
  const words =
    error === undefined
      ? `HTTP ${status}: ${body}`
      : [error.code, inner || error.message].filter(Boolean).join(': ')
  const detail = redact(words)
  if (status === 401 || status === 403) return { kind: 'stopped', code: 'credentials_refused', detail }
  if (status === 429) return { kind: 'throttled', code: 'rate_limited', detail }
  if (status === 503 || isLocked.test(detail))
    return { kind: 'throttled', code: 'receiver_unavailable', detail }
  const code = byWords.find(([one]) => one.test(detail))?.[1]
  // What its validation refuses comes with 400 and with 500, and then with an inner error.
  if (code === undefined && status >= 500 && !inner) return { kind: 'unclear', code: 'no_answer', detail }
  return refused(code ?? 'receiver_refused', detail)
}

export function refused(code: string, detail: string): Refused {
  return { kind: 'refused', code, detail }
}

function errorIn(body: string): z.output<typeof errorSchema>['error'] | undefined {
  try {
    return errorSchema.parse(JSON.parse(body)).error
  } catch {
    return undefined
  }
}
