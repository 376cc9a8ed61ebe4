// What Business Central means by an error: `{error: {code, message}}`. Its code tells the family, and its words alone tell a
// closed period from a blocked account; we ask for them in English and keep them as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'
import type { NotReached } from '../http/outcome.js'

const errorSchema = z.object({
  error: z.object({ code: z.string().default(''), message: z.string().default('') }),
})

export type Refused = Extract<PutOutcome, { kind: 'refused' }>

const byWords: readonly (readonly [RegExp, string])[] = [
  [/allowed posting dates|posting date.*(closed|not within)|fiscal year.*closed/i, 'period_closed'],
  [/blocked must be equal|is blocked|inactive/i, 'account_inactive'],
  [/out of balance|do(es)? not balance/i, 'entry_unbalanced'],
  [/dimension/i, 'dimension_missing'],
  [/currency/i, 'currency_not_enabled'],
  [/already exists/i, 'duplicate_document'],
]

/** Another session holds or has changed the record: nothing was done, and it passes. */
const isLocked = /transaction done by another session|locked by another user|changed the record/i

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): Refused | NotReached {
  const error = errorSchema.safeParse(jsonOf(answer)).data?.error
  if (answer.status === 404 && error?.code !== 'Internal_RecordNotFound')
    return nobodyThere(answer) as NotReached
  if (error === undefined)
    return refused('receiver_refused', `HTTP ${answer.status}: ${answer.redact(answer.body)}`)
  return outcomeOfError(answer.status, error, answer.redact)
}

/** Of an error in an answer, or inside an answer of 200 to `$batch`. */
export function outcomeOfError(
  status: number,
  { code, message }: { readonly code: string; readonly message: string },
  redact: (text: string) => string,
): Refused | NotReached {
  const detail = redact([code, message].filter(Boolean).join(': '))
  if (status === 403 || /^(Authorization|Authentication)_/.test(code))
    return { kind: 'stopped', code: 'credentials_refused', detail }
  if (status === 429) return { kind: 'throttled', code: 'rate_limited', detail }
  if (/^(Request_EntityChanged|Internal_RecordNotFound)$/.test(code) || isLocked.test(message))
    return { kind: 'throttled', code: 'receiver_unavailable', detail }
  if (status >= 500 || code === 'Internal_ServerError') return { kind: 'unclear', code: 'no_answer', detail }
  return refused(byWords.find(([words]) => words.test(detail))?.[1] ?? 'receiver_refused', detail)
}

export function refused(code: string, detail: string): Refused {
  return { kind: 'refused', code, detail }
}
