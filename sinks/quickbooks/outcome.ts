// What QuickBooks means by a Fault: codes that stand for several reasons, with words for people that tell them apart. So code and
// words decide together, and the words are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'

/** What QuickBooks asks for after 429, where it sends no Retry-After. */
export const throttledMs = 60_000

const text = z.union([z.string(), z.number()]).transform(String).default('')

/** QuickBooks begins the names with small letters in some of its faults. */
const inSmallLetters = (value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]))
    : value

const faultSchema = z.preprocess(
  inSmallLetters,
  z.object({
    fault: z.preprocess(
      inSmallLetters,
      z.object({
        type: text,
        error: z
          .array(z.preprocess(inSmallLetters, z.object({ message: text, detail: text, code: text })))
          .min(1),
      }),
    ),
  }),
)
type Fault = z.output<typeof faultSchema>['fault']

/** Our code where the words agree and the code is one of these; without codes the words are plain enough. */
const reasons: readonly {
  readonly codes?: readonly number[]
  readonly words: RegExp
  readonly is: string
}[] = [
  { words: /(period|books?)\b.*\bclosed|closing date/i, is: 'period_closed' },
  { codes: [6140, 6210], words: /duplicate|already been used/i, is: 'duplicate_document' },
  { codes: [610, 2500, 6000], words: /inactive/i, is: 'account_inactive' },
  { codes: [6000], words: /debits?\b.*\bcredits?|balance/i, is: 'entry_unbalanced' },
  { codes: [6000], words: /accounts receivable|choose a customer/i, is: 'customer_not_mapped' },
  { words: /currency|currencies/i, is: 'currency_not_enabled' },
  { words: /\b(class|department|location)\b.*\b(required|missing|must|specify)/i, is: 'dimension_missing' },
  { words: /\b(required|missing|must|specify)\b.*\b(class|department|location)\b/i, is: 'dimension_missing' },
]

/** Undefined when the answer is no Fault. */
export function outcomeOfFault(answer: ApiAnswer): PutOutcome | undefined {
  const parsed = faultSchema.safeParse(jsonOf(answer))
  return parsed.success ? outcomeOf(parsed.data.fault, answer) : undefined
}

/** For an answer that is not 2xx. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const outcome = outcomeOfFault(answer)
  if (outcome !== undefined) return outcome
  if (answer.status === 404) return nobodyThere(answer)
  const detail = `HTTP ${answer.status}: ${answer.redact(answer.body)}`
  if (answer.status === 403) return { kind: 'stopped', code: 'credentials_refused', detail }
  return { kind: 'refused', code: 'receiver_refused', detail }
}

function outcomeOf({ type, error }: Fault, { status, redact }: ApiAnswer): PutOutcome {
  const said = error.map(one => [one.code, one.message, one.detail].filter(Boolean).join(': '))
  const detail = redact(said.join('; '))
  const code = Number(error[0]?.code)
  switch (code) {
    case 3001:
      return { kind: 'throttled', code: 'rate_limited', detail, retryAfterMs: throttledMs }
    // Authentication, permission, an app that is not connected any more, a subscription that has ended.
    case 100:
    case 120:
    case 3100:
    case 3200:
    case 6190:
      return { kind: 'stopped', code: 'credentials_refused', detail }
    case 10000:
      return { kind: 'unclear', code: 'no_answer', detail }
    default:
      if (status === 403) return { kind: 'stopped', code: 'credentials_refused', detail }
      if (/^SystemFault$/i.test(type)) return { kind: 'unclear', code: 'no_answer', detail }
  }
  const reason = reasons.find(({ codes, words }) => (codes?.includes(code) ?? true) && words.test(detail))
  return { kind: 'refused', code: reason?.is ?? 'receiver_refused', detail }
}
