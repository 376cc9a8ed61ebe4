// A support case about an exception, as connectors to support systems read it: the texts are ready, and the same for all of them.

import { z } from 'zod'
import { issueWords } from '../../schemas/issue-words.js'
import type { ConnectorRecord, PutOutcome } from '../connector.js'

export const caseSchema = z.object({
  exception_id: z.string().regex(/^exc_[0-9a-f]{24}$/),
  /** `settled`: nobody has to do anything about it any more. */
  state: z.enum(['open', 'settled']),
  /** 1 is the first that is told of this exception. */
  number: z.int().min(1),
  code: z.string(),
  owner: z.string(),
  customer_id: z.string(),
  correlation_id: z.string(),
  as_of: z.string(),
  subject: z.string().min(1),
  description: z.string(),
  /** What has come of it; '' with the first. */
  comment: z.string(),
})

export type CaseDocument = z.output<typeof caseSchema>

type Refused = Extract<PutOutcome, { kind: 'refused' }>

export function readCase({
  document,
}: ConnectorRecord): { readonly kind: 'ok'; readonly told: CaseDocument } | Refused {
  const parsed = caseSchema.safeParse(document)
  if (parsed.success) return { kind: 'ok', told: parsed.data }
  return { kind: 'refused', code: 'invalid_record', detail: parsed.error.issues.map(issueWords).join('; ') }
}
