// What SAP answers to a journal entry. HTTP says 200 also when nothing was posted: an entry is there when the reply has the number
// of its accounting document, and what is against it stands in the log. A message of the log has a number and a class, such as
// 201(F5), and words in the language of the communication user; both are kept as they are.

import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, nobodyThere, strangeAnswer } from '../http/api.js'
import { stopped } from '../http/outcome.js'
import { xmlOf } from '../http/xml.js'

const text = z.string().default('')
const logSchema = z
  .object({ Item: z.array(z.object({ TypeID: text, SeverityCode: text, Note: text })).default([]) })
  .transform(log => log.Item)
  .catch([])
const replySchema = z.object({
  Envelope: z.object({
    Body: z.object({
      JournalEntryBulkCreateConfirmation: z.object({
        JournalEntryCreateConfirmation: z
          .array(
            z.object({
              JournalEntryCreateConfirmation: z
                .array(z.object({ AccountingDocument: text, CompanyCode: text, FiscalYear: text }))
                .default([]),
              Log: logSchema,
            }),
          )
          .default([]),
        Log: logSchema,
      }),
    }),
  }),
})

/** By number and class first, which are the same in all languages; then by words. */
const byMessage: readonly (readonly [RegExp, string])[] = [
  [/\b201\(F5\)|period.*(not open|closed|locked)/i, 'period_closed'],
  [/blocked|inactive|locked for posting|marked for deletion/i, 'account_inactive'],
  [
    /\b702\(F5\)|balance in (transaction|document|company code|local) currency|not balanced/i,
    'entry_unbalanced',
  ],
  [/\b105\(SG\)|currency|exchange rate|enter rate/i, 'currency_not_enabled'],
  [
    /\b235\(KI\)|(requires|enter|missing|specify).*(assignment|cost cent|profit cent|segment|functional area|WBS)/i,
    'dimension_missing',
  ],
  [/already (exists|been entered)|duplicate/i, 'duplicate_document'],
]

/** Severities of 3 and more are errors, of 1 and 2 information and warnings. */
const isError = ({ SeverityCode: severity }: { readonly SeverityCode: string }): boolean =>
  Number(severity) >= 3

export function outcomeOfReply(answer: ApiAnswer): PutOutcome {
  if (answer.status >= 300) return outcomeOfStatus(answer)
  const parsed = replySchema.safeParse(xmlOf(answer, ['Item', 'JournalEntryCreateConfirmation']))
  if (!parsed.success) return strangeAnswer(answer)
  const { JournalEntryCreateConfirmation: replies, Log: common } =
    parsed.data.Envelope.Body.JournalEntryBulkCreateConfirmation
  const [reply] = replies
  const document = reply?.JournalEntryCreateConfirmation[0]
  if (document !== undefined && isNumber(document.AccountingDocument)) {
    const { CompanyCode: company, AccountingDocument: number, FiscalYear: year } = document
    return { kind: 'accepted', externalId: externalIdOf(company, number, year) }
  }
  const messages = [...(reply?.Log ?? []), ...common].filter(isError)
  if (messages.length === 0) return strangeAnswer(answer)
  const words = [...new Set(messages.map(({ TypeID: id, Note: note }) => `${id}: ${note}`))].join('; ')
  const detail = answer.redact(words)
  const code = byMessage.find(([pattern]) => pattern.test(detail))?.[1] ?? 'receiver_refused'
  return { kind: 'refused', code, detail }
}

/** For 4xx, of the service that posts and of the one that reads. */
export function outcomeOfStatus(answer: ApiAnswer): PutOutcome {
  const detail = `HTTP ${answer.status}: ${answer.redact(answer.body)}`
  if (answer.status === 403) return stopped('credentials_refused', detail)
  if (answer.status === 404 || answer.status === 405) return nobodyThere(answer)
  return { kind: 'refused', code: 'receiver_refused', detail }
}

export function externalIdOf(company: string, number: string, year: string): string {
  return `${company}/${number}/${year}`
}

/** Blank or `0000000000` where nothing was posted. */
function isNumber(document: string): boolean {
  return /[^0\s]/.test(document)
}
