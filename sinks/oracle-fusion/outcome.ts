// What Oracle means: answers of its REST interface, and the codes of rejected rows in the report of an import.
// Source of the codes: "Error Codes for Journal Import" in the help of General Ledger.

import type { PutOutcome } from '../connector.js'
import { type ApiAnswer, nobodyThere } from '../http/api.js'
import { stopped } from '../http/outcome.js'

type Refused = Extract<PutOutcome, { kind: 'refused' }>

const codes: readonly (readonly [RegExp, string])[] = [
  [/^EP/, 'period_closed'],
  [/^EU0/, 'entry_unbalanced'],
  [/^EF0[123]$/, 'account_inactive'],
  [/^EF0[45]$/, 'dimension_missing'],
  [/^EC(03|06|08|09)$/, 'currency_not_enabled'],
]
const rowCode = /\bE[A-Z]\d\d\b/

/** For an answer that is not 2xx and judged the request. */
export function outcomeOfAnswer(answer: ApiAnswer): PutOutcome {
  const detail = `HTTP ${answer.status}: ${answer.redact(answer.body)}`
  if (answer.status === 403) return stopped('credentials_refused', detail)
  if (answer.status === 404 || answer.status === 405) return nobodyThere(answer)
  return { kind: 'refused', code: 'receiver_refused', detail }
}

/** The line of a report that rejects the journal of this name. */
export function refusalIn(report: string, batchName: string): Refused | undefined {
  const line = report.split('\n').find(one => rowCode.test(one) && one.split(/[\s|,;"]+/).includes(batchName))
  if (line === undefined) return undefined
  return refusedBy(rowCode.exec(line)?.[0] ?? '', line)
}

/** For a journal that was imported alone and rejected without being named. */
export function refusalOfWhole(status: string, report: string): Refused {
  const line = report.split('\n').find(one => rowCode.test(one))
  if (line !== undefined) return refusedBy(rowCode.exec(line)?.[0] ?? '', line)
  return refusedBy('', `the import ended with ${status} and named no row: ${report.slice(0, 500)}`)
}

function refusedBy(theirs: string, words: string): Refused {
  const code = codes.find(([pattern]) => pattern.test(theirs))?.[1] ?? 'receiver_refused'
  return { kind: 'refused', code, detail: words.replaceAll(/\s+/g, ' ').trim().slice(0, 1_000) }
}
