// How the fake Business Central words its errors: `{error: {code, message}}`, valid by the shape. The texts are ours.

import { randomUUID } from 'node:crypto'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FakeAnswer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { jsonShape } from '../../testing/shape.js'

export const ajv = new Ajv2020({
  strict: false,
  formats: { date: /^\d{4}-\d\d-\d\d$/, uuid: /^[\da-f-]{36}$/ },
})
ajv.addSchema(jsonShape('business-central', 'journals.schema.json'), 'bc')
const isError = ajv.compile({ $ref: 'bc#/$defs/error' })

const errors: Readonly<Partial<Record<Fault, readonly [number, string, string]>>> = {
  '429_without': [429, 'Application_TooManyRequests', 'Too many requests reached.'],
  '429_with_retry_after': [429, 'Application_TooManyRequests', 'Too many requests reached.'],
  credentials_refused: [
    401,
    'Authentication_InvalidCredentials',
    'The server has rejected the client credentials.',
  ],
  token_expired: [401, 'Authentication_InvalidCredentials', 'The token has expired.'],
  closed_period: [
    400,
    'Application_DialogException',
    'Posting Date is not within your range of allowed posting dates.',
  ],
  inactive_account: [
    400,
    'Application_FieldValidationException',
    "Blocked must be equal to 'No' in G/L Account: No.=2910. Current value is 'Yes'.",
  ],
  unbalanced: [400, 'Application_DialogException', 'The lines of this document are out of balance by 1.'],
  missing_dimension: [
    400,
    'Application_DialogException',
    'Select a Dimension Value Code for the Dimension Code DEPARTMENT for G/L Account 2910.',
  ],
  currency_not_enabled: [
    400,
    'Internal_InvalidTableRelation',
    'The field Currency Code of table Gen. Journal Line contains a value that cannot be found.',
  ],
  duplicate_key: [400, 'Internal_EntityWithSameKeyExists', 'The Gen. Journal Batch already exists.'],
}

/** `words`: instead of those of the fault. */
export function wordingOf(fault: Fault, words?: string): FakeAnswer {
  if (fault === 'outage') return { status: 503, body: 'The service is temporarily unavailable.' }
  if (fault === 'ok_with_error_inside') {
    const { body } = errorOf(
      400,
      'Application_DialogException',
      'The account does not take entries of this kind.',
    )
    return { status: 200, body: { responses: [{ id: '1', status: 400, body }] } }
  }
  const [status, code, message] = errors[fault] ?? [
    500,
    'Internal_ServerError',
    'An internal error occurred.',
  ]
  const answer = errorOf(status, code, words ?? message)
  return fault === '429_with_retry_after' ? { ...answer, headers: { 'retry-after': '60' } } : answer
}

export function errorOf(status: number, code: string, message: string): FakeAnswer {
  const body = { error: { code, message: `${message}  CorrelationId:  ${randomUUID()}.` } }
  if (!isError(body)) throw new Error(ajv.errorsText(isError.errors))
  return { status, body }
}
