// How the fake Dynamics 365 Finance words its answers: errors with an inner error, and the multipart answers of `$batch`. The
// texts are ours.

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { FakeAnswer } from '../../testing/fake-server.js'
import { type Fault, isRefusal } from '../../testing/fault.js'
import { jsonShape } from '../../testing/shape.js'

const ajv = new Ajv2020({ strict: false, formats: { 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/ } })
ajv.addSchema(jsonShape('dynamics-finance', 'ledger-journal.schema.json'), 'd365')
export const isHeader = ajv.compile({ $ref: 'd365#/$defs/header' })
export const isLine = ajv.compile({ $ref: 'd365#/$defs/line' })

export function problemsOf({ errors }: ValidateFunction): string {
  return ajv.errorsText(errors)
}

const texts: Readonly<Partial<Record<Fault, readonly [number, string]>>> = {
  '429_without': [429, 'The number of requests exceeds the limit.'],
  '429_with_retry_after': [429, 'The number of requests exceeds the limit.'],
  credentials_refused: [401, 'Unauthorized.'],
  token_expired: [401, 'The token has expired.'],
  closed_period: [
    500,
    'Write failed for table row of type LedgerJournalLineEntity. Infolog: Error: The period for 10/31/2026 is closed.',
  ],
  inactive_account: [
    500,
    'Write failed for table row of type LedgerJournalLineEntity. Infolog: Error: The account 130100 is suspended.',
  ],
  unbalanced: [400, 'The voucher does not balance.'],
  missing_dimension: [400, 'Department is required in the account structure of 401100.'],
  currency_not_enabled: [400, 'The currency XXX is not found in the related table.'],
  duplicate_key: [500, 'Cannot create a record in General journals. The record already exists.'],
  ok_with_error_inside: [400, 'The journal name is for another kind of journal.'],
}

/** `words`: instead of those of the fault. A refusal stands inside an answer of 200. */
export function wordingOf(fault: Fault, words?: string): FakeAnswer {
  if (fault === 'outage') return { status: 503, body: 'Service Unavailable' }
  const [status, text] = texts[fault] ?? [500, 'An error has occurred.']
  const answer = errorOf(status, words ?? text)
  if (isRefusal(fault)) return changesetAnswer([answer])
  return fault === '429_with_retry_after' ? { ...answer, headers: { 'retry-after': '60' } } : answer
}

export function errorOf(status: number, words: string): FakeAnswer {
  const type = 'Microsoft.Dynamics.Platform.Integration.Services.OData.ODataException'
  const message = 'An error has occurred.'
  return {
    status,
    body: { error: { code: '', message, innererror: { message: words, type, stacktrace: '' } } },
  }
}

/** The answer to a batch with one changeset: an error for all of it, or an answer for each request. */
export function changesetAnswer(answers: readonly FakeAnswer[]): FakeAnswer {
  const parts = answers.map(({ status, body }, index) =>
    [
      '--changesetresponse_1',
      'Content-Type: application/http',
      'Content-Transfer-Encoding: binary',
      `Content-ID: ${index + 1}`,
      '',
      `HTTP/1.1 ${status} ${status < 300 ? 'No Content' : 'Bad Request'}`,
      'Content-Type: application/json; odata.metadata=minimal',
      'OData-Version: 4.0',
      '',
      body === undefined ? '' : JSON.stringify(body),
    ].join('\r\n'),
  )
  const text = [
    '--batchresponse_1',
    'Content-Type: multipart/mixed; boundary="changesetresponse_1"',
    '',
    ...parts,
    '--changesetresponse_1--',
    '--batchresponse_1--',
    '',
  ].join('\r\n')
  return {
    status: 200,
    headers: { 'content-type': 'multipart/mixed; boundary="batchresponse_1"' },
    body: text,
  }
}
