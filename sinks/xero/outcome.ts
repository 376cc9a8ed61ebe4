// What Xero answers: 200 with a verdict for each journal of a page, or 400 for the page. Xero has words for people and no codes
// for reasons, so the words decide; they are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, jsonOf, nobodyThere, strangeAnswer } from '../http/api.js'
import { stopped } from '../http/outcome.js'
import { keyInNarration } from './records.js'

const messages = z.array(z.object({ Message: z.string().default('') })).optional()

const pageSchema = z.object({
  ManualJournals: z.array(
    z.object({
      ManualJournalID: z.string().default(''),
      Narration: z.string().default(''),
      Status: z.string().default(''),
      StatusAttributeString: z.string().default('OK'),
      ValidationErrors: messages,
    }),
  ),
})
type Verdict = z.output<typeof pageSchema>['ManualJournals'][number]

const errorSchema = z.object({
  Type: z.string().default(''),
  Message: z.string().default(''),
  Elements: z.array(z.object({ ValidationErrors: messages })).optional(),
})

const byWords: readonly (readonly [RegExp, string])[] = [
  [/lock date|(period|year).*(closed|locked)/i, 'period_closed'],
  [/account.*(archived|inactive)|(archived|inactive).*account/i, 'account_inactive'],
  [/debits?.*credits?|not balance/i, 'entry_unbalanced'],
  [/tracking/i, 'dimension_missing'],
  [/currency/i, 'currency_not_enabled'],
]
const nobodysId = /^[0-]*$/

/** One outcome per record, whatever the order of the verdicts: each names its journal by the narration. */
export function outcomesOfPage(
  answer: ApiAnswer,
  records: readonly { readonly key: string; readonly prefix: string }[],
): PutOutcome[] {
  if (answer.status >= 300) {
    const outcome = outcomeOfRefusal(answer)
    return records.map(() => outcome)
  }
  const page = pageSchema.safeParse(jsonOf(answer))
  const verdicts = page.success ? page.data.ManualJournals : []
  return records.map(({ key, prefix }) => {
    const verdict = verdicts.findLast(one => keyInNarration(one.Narration, prefix) === key)
    return verdict === undefined ? strangeAnswer(answer) : outcomeOf(verdict, answer)
  })
}

/** For an answer that is not 2xx. */
export function outcomeOfRefusal(answer: ApiAnswer): PutOutcome {
  const { status, redact } = answer
  if (status === 404) return nobodyThere(answer)
  if (status === 403) return stopped('credentials_refused', `HTTP 403: ${redact(answer.body)}`) // another organisation or scope
  const parsed = errorSchema.safeParse(jsonOf(answer))
  if (!parsed.success) return refused(`HTTP ${status}: ${redact(answer.body)}`)
  const { Type, Message, Elements = [] } = parsed.data
  const words = Elements.flatMap(({ ValidationErrors = [] }) => ValidationErrors.map(one => one.Message))
  return refused(redact(words.length > 0 ? words.join('; ') : `${Type}: ${Message}`))
}

function outcomeOf(verdict: Verdict, answer: ApiAnswer): PutOutcome {
  const { ManualJournalID: externalId, Status, StatusAttributeString, ValidationErrors = [] } = verdict
  if (StatusAttributeString === 'ERROR' || ValidationErrors.length > 0) {
    const words = ValidationErrors.map(({ Message }) => Message).join('; ')
    return refused(answer.redact(words === '' ? 'Xero answers ERROR without words' : words))
  }
  if (nobodysId.test(externalId)) return strangeAnswer(answer)
  return { kind: Status === 'POSTED' ? 'accepted' : 'written', externalId }
}

function refused(detail: string): PutOutcome {
  const code = byWords.find(([words]) => words.test(detail))?.[1] ?? 'receiver_refused'
  return { kind: 'refused', code, detail }
}
