// How Stripe's API refuses, so that its clients throw the errors that their users catch.

import { z } from 'zod'
import type { ApiReply, RefusalShape } from '../../gateway/route.js'
import { refusalShape } from '../producer-route.js'
import type { FaultyEvent, SentFault } from '../usage-event.js'

const errorSchema = z
  .looseObject({
    error: z.looseObject({
      type: z.string().optional(),
      code: z.string().optional(),
      message: z.string(),
      param: z.string().optional(),
    }),
  })
  .meta({ id: 'StripeError' })

const documented = {
  schema: errorSchema,
  example: {
    error: { type: 'invalid_request_error', code: 'parameter_missing', message: 'event_name is missing' },
  },
  headers: { 'stripe-should-retry': 'true: the client tries again by itself' },
}

/** Stripe's clients try a 429 again only where they are told to. */
const shouldRetry = { 'stripe-should-retry': 'true' }

export const v1Refusals: RefusalShape = refusalShape(documented, ({ status, code, message }) => {
  if (status === 429)
    return { body: errorOf('invalid_request_error', 'rate_limit', message), headers: shouldRetry }
  if (status >= 500) return { body: errorOf('api_error', code, message), headers: shouldRetry }
  return { body: errorOf('invalid_request_error', code, message) }
})

export const v2Refusals: RefusalShape = v2With('invalid_request_error')
/** A token of a session that has ended is answered so that the client makes another session. */
export const streamRefusals: RefusalShape = v2With('temporary_session_expired')

function v2With(typeOf401: string): RefusalShape {
  return refusalShape(documented, ({ status, code, message }) => {
    if (status === 429) return { body: errorOf('rate_limit', 'rate_limit', message), headers: shouldRetry }
    if (status >= 500) return { body: errorOf('api_error', code, message), headers: shouldRetry }
    return { body: errorOf(status === 401 ? typeOf401 : 'invalid_request_error', code, message) }
  })
}

function errorOf(type: string, code: string, message: string, param?: string) {
  return { error: { type, code, message, ...(param === undefined ? {} : { param }) } }
}

const codes: Readonly<Record<SentFault['code'], string>> = {
  missing: 'parameter_missing',
  invalid: 'parameter_invalid',
  unknown: 'parameter_unknown',
  in_future: 'timestamp_in_future',
  refused: 'parameter_invalid',
}

export function refuseV1([first]: readonly FaultyEvent[]): ApiReply {
  const { field, code, detail } = first!.faults[0]!
  const param = field === '' ? undefined : field
  return { status: 400, body: errorOf('invalid_request_error', codes[code], sentence(detail), param) }
}

export function refuseV2(faulty: readonly (FaultyEvent & { readonly index: number })[]): ApiReply {
  const words = faulty
    .flatMap(({ index, faults }) => faults.map(({ detail }) => `events[${index}]: ${detail}`))
    .slice(0, 20)
    .join('; ')
  return { status: 400, body: errorOf('invalid_request_error', 'invalid_fields', sentence(words)) }
}

function sentence(text: string): string {
  return text.endsWith('.') ? text : `${text}.`
}
