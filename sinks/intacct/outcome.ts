// What Intacct means by an error. It answers with 200 and an error inside, at one of three levels: the request, who we are, or
// the function. An error has a number for its class and words for people, which alone tell a closed period from an inactive
// account. The words are kept as they are.

import type { PutOutcome } from '../connector.js'

export type ErrorLevel = 'request' | 'authentication' | 'function'

export interface IntacctError {
  readonly errorno: string
  readonly description: string
  readonly description2: string
  readonly correction: string
}

const busy = /GW-0010|concurren|too many (requests|operations|sessions)|rate limit/i
const controlIdHad =
  /(control ?id|unique ?id|request).*(already|duplicate|not unique|used)|duplicate.*(control ?id|request)/i
const unknownEnd = /PL04000050|temporarily unavailable|unexpected error|time-?out|timed out/i
const noRight =
  /XL03000006|not authorized|(do not|don't|does not) have (the )?permission|sign-in information/i

const byWords: readonly (readonly [RegExp, string])[] = [
  [/periods?\b.*\b(closed|locked)|(closed|locked).*period|books.*closed/i, 'period_closed'],
  [/inactive|not active/i, 'account_inactive'],
  [
    /(debits?|credits?|entries|transaction).*(balance|equal)|out of balance|not balanced/i,
    'entry_unbalanced',
  ],
  [/currency|exchange rate/i, 'currency_not_enabled'],
  [
    /BL03000018|(missing|required?|requires|must (have|specify)).*(location|department|class|dimension|project|customer|item|contract|entity)/i,
    'dimension_missing',
  ],
  [/already exists|duplicate|must be unique/i, 'duplicate_document'],
]

/** `detail` has no secrets. */
export function outcomeOfErrors(
  level: ErrorLevel,
  errors: readonly IntacctError[],
  redact: (text: string) => string,
): PutOutcome {
  const words = errors.map(({ errorno, description, description2, correction }) =>
    [errorno, [description, description2, correction].filter(Boolean).join(' ')].filter(Boolean).join(': '),
  )
  const detail = redact(words.join('; ')) || `a failure of the ${level} without words`
  if (busy.test(detail)) return { kind: 'throttled', code: 'rate_limited', detail }
  if (unknownEnd.test(detail)) return { kind: 'unclear', code: 'no_answer', detail }
  // The request was had before: it may have been carried out, or still be.
  if (level !== 'function' && controlIdHad.test(detail))
    return { kind: 'unclear', code: 'duplicate_document', detail }
  if (level === 'authentication' || noRight.test(detail))
    return { kind: 'stopped', code: 'credentials_refused', detail }
  const code = byWords.find(([pattern]) => pattern.test(detail))?.[1]
  return { kind: 'refused', code: code ?? 'receiver_refused', detail }
}
