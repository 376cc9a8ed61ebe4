// What Zuora means by an error, with any status, 200 too: CRUD calls and actions have `Errors` with codes in words, the
// others have `reasons` with eight digits of which the last two are the category.
// Source: developer.zuora.com/docs/guides/error-codes and the error codes of its SOAP interface, which CRUD calls share.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere } from '../http/api.js'

const code = z.union([z.string(), z.number()]).transform(String).default('')
const errorSchema = z
  .object({
    Errors: z.array(z.object({ Code: code, Message: z.string().default('') })).optional(),
    reasons: z.array(z.object({ code, message: z.string().default('') })).optional(),
    // The gateway and the login answer so.
    code: code.optional(),
    message: z.string().optional(),
  })
  .transform(({ Errors, reasons, code: ownCode = '', message }) => [
    ...(Errors ?? []).map(one => ({ code: one.Code, message: one.Message })),
    ...(reasons ?? []),
    ...(message === undefined ? [] : [{ code: ownCode, message }]),
  ])

const byWords: readonly (readonly [RegExp, string])[] = [
  [/missing required|is required|required (field|value)/i, 'dimension_missing'],
  [/account.*(cancel|inactive|not active|closed)/i, 'account_inactive'],
  [/account.*(invalid|not exist|cannot be found|not found)|invalid.*account/i, 'customer_not_mapped'],
  [/period.*closed|closed.*period/i, 'period_closed'],
  [/duplicate|already exists/i, 'duplicate_document'],
]

/** For an answer that does not say that the usage record is there. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const { status, redact, body } = answer
  const parsed = errorSchema.safeParse(jsonOf(answer))
  const errors = parsed.success ? parsed.data : []
  if (errors.length === 0) {
    if (status === 404 || status === 405) return nobodyThere(answer)
    const detail = `HTTP ${status}: ${redact(body)}`
    if (status >= 400 && status !== 409 && status !== 422)
      return { kind: 'refused', code: 'receiver_refused', detail }
    return { kind: 'unclear', code: 'no_answer', detail }
  }
  const detail = redact(errors.map(one => [one.code, one.message].filter(Boolean).join(': ')).join('; '))
  // Another request with the same Idempotency-Key is under way, or had another body.
  if (status === 409 || status === 422) return { kind: 'unclear', code: 'no_answer', detail }
  return outcomeOfCode(errors[0]?.code ?? '', detail)
}

function outcomeOfCode(theirs: string, detail: string): PutOutcome {
  switch (/^\d{8}$/.test(theirs) ? theirs.slice(-2) : theirs) {
    case '10':
    case '11':
    case 'API_DISABLED':
    case 'INVALID_SESSION':
    case 'NO_PERMISSION':
    case 'PERMISSION_DENIED':
      return { kind: 'stopped', code: 'credentials_refused', detail }
    case '50':
    case 'LOCK_COMPETITION':
      return { kind: 'throttled', code: 'receiver_unavailable', detail }
    case '70':
    case 'REQUEST_EXCEEDED_LIMIT':
    case 'REQUEST_EXCEEDED_RATE':
    case 'REQUEST_REJECTED':
      return { kind: 'throttled', code: 'rate_limited', detail }
    case '60':
    case 'SERVER_UNAVAILABLE':
    case 'TEMPORARY_ERROR':
    case 'TRANSACTION_TIMEOUT':
    case 'UNKNOWN_ERROR':
      return { kind: 'unclear', code: 'no_answer', detail }
    default:
      return {
        kind: 'refused',
        code: byWords.find(([words]) => words.test(detail))?.[1] ?? 'receiver_refused',
        detail,
      }
  }
}
