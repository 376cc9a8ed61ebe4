// How Lago's API refuses: `error_details` by field, and in a batch by place.

import { z } from 'zod'
import type { ApiReply, RefusalShape } from '../../gateway/route.js'
import { refusalShape } from '../producer-route.js'
import type { FaultyEvent, SentFault } from '../usage-event.js'

const errorSchema = z
  .looseObject({
    status: z.int(),
    error: z.string(),
    code: z.string(),
    error_details: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'LagoError' })

const example = {
  status: 401,
  error: 'Unauthorized',
  code: 'invalid_token',
  message: 'The API key is not known.',
}

export const lagoRefusals: RefusalShape = refusalShape(
  {
    schema: errorSchema,
    example,
    headers: {
      'x-ratelimit-reset': 'After how many seconds the request may be sent again',
      'x-ratelimit-remaining': '0',
    },
  },
  problem => {
    const { status, code, message, headers } = problem
    const body = { status, error: words.get(status) ?? problem.body().title, code, message }
    const again = headers['retry-after']
    if (status !== 429 || again === undefined) return { body }
    return { body, headers: { 'x-ratelimit-reset': again, 'x-ratelimit-remaining': '0' } }
  },
)

const words: ReadonlyMap<number, string> = new Map([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [422, 'Unprocessable Entity'],
  [429, 'Too Many Requests'],
])

export const lagoValidationSchema = errorSchema.extend({
  code: z.literal('validation_errors'),
  error_details: z.record(z.string(), z.unknown()),
})

export const lagoValidationExample = validation({ transaction_id: ['value_is_mandatory'] }).body

export function validation(details: Readonly<Record<string, unknown>>) {
  const body = {
    status: 422,
    error: 'Unprocessable Entity',
    code: 'validation_errors',
    error_details: details,
  }
  return { status: 422, body }
}

export function refuseOne([faulty]: readonly FaultyEvent[]): ApiReply {
  return validation(detailsOf(faulty!.faults))
}

export function refuseBatch(faulty: readonly (FaultyEvent & { readonly index: number })[]): ApiReply {
  return validation(Object.fromEntries(faulty.map(({ index, faults }) => [String(index), detailsOf(faults)])))
}

function detailsOf(faults: readonly SentFault[]): Record<string, readonly string[]> {
  return Object.fromEntries(faults.map(fault => [fault.field === '' ? 'base' : fault.field, [codeOf(fault)]]))
}

/** Lago's own codes where it has one, else the sentence. */
function codeOf({ field, code, detail }: SentFault): string {
  if (code === 'missing') return 'value_is_mandatory'
  return code === 'invalid' && field === 'timestamp' ? 'invalid_format' : detail
}
