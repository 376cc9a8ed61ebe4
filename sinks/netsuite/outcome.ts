// What NetSuite means by an error: `o:errorDetails` with a code of its own for the class, and words for people, which
// alone tell a closed period from an inactive account. The words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'

const errorSchema = z.object({
  title: z.string().default(''),
  'o:errorDetails': z
    .array(
      z.object({
        detail: z.string().default(''),
        'o:errorCode': z.string().default(''),
        'o:errorPath': z.string().optional(),
      }),
    )
    .min(1),
})

/** By what the words say, as NetSuite has one code (USER_ERROR) for many reasons. */
const byWords: readonly (readonly [RegExp, string])[] = [
  [/(posting )?period.*(closed|locked)|(closed|locked).*period/i, 'period_closed'],
  [/inactive/i, 'account_inactive'],
  [/(debits?|credits?|amounts?).*(balance|equal)|out of balance|not balanced/i, 'entry_unbalanced'],
  [/currency/i, 'currency_not_enabled'],
  [
    /(please enter|missing|required|mandatory).*(department|class|location|subsidiary|segment)/i,
    'dimension_missing',
  ],
  [/already exists|duplicate/i, 'duplicate_document'],
]

/** Whether an error is worded as NetSuite words its own. */
export function isOfNetsuite(answer: ApiAnswer): boolean {
  return errorSchema.safeParse(jsonOf(answer)).success
}

/** For an answer that is not 2xx and judged the content. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success) {
    if (answer.status === 404 || answer.status === 405) return nobodyThere(answer)
    return refused('receiver_refused', `HTTP ${answer.status}: ${answer.redact(answer.body)}`)
  }
  const details = parsed.data['o:errorDetails']
  const [{ 'o:errorCode': code } = { 'o:errorCode': '' }] = details
  const words = details.map(one =>
    [one['o:errorCode'], one.detail, one['o:errorPath']].filter(Boolean).join(': '),
  )
  const detail = answer.redact(words.join('; '))
  switch (code) {
    case 'CONCURRENCY_LIMIT_EXCEEDED':
    case 'SSS_REQUEST_LIMIT_EXCEEDED':
    case 'WS_REQUEST_BLOCKED':
      return { kind: 'throttled', code: 'rate_limited', detail }
    case 'INVALID_LOGIN':
    case 'INSUFFICIENT_PERMISSION':
      return { kind: 'stopped', code: 'credentials_refused', detail }
    // An earlier request with the same external id is still being carried out.
    case 'RCRD_HAS_BEEN_CHANGED':
    case 'IDEMPOTENCY_ERROR':
    case 'UNEXPECTED_ERROR':
      return { kind: 'unclear', code: 'no_answer', detail }
    default:
      return refused(byWords.find(([words]) => words.test(detail))?.[1] ?? 'receiver_refused', detail)
  }
}

function refused(code: string, detail: string): PutOutcome {
  return { kind: 'refused', code, detail }
}
