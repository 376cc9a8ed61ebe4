// What an error of Stripe means: by its type and code, and for the currency by its words. The words are kept as they are.

import { Stripe } from 'stripe'
import type { PutOutcome } from '../connector.js'
import { stopped } from '../http/outcome.js'
import { notReachedIn, unreadable } from '../http/sdk-fetch.js'

/** What the package says of an answer that it could not use has no type of its own. */
export function outcomeOfError(error: unknown, redact: (text: string) => string): PutOutcome {
  const outcome = notReachedIn(error)
  if (outcome !== undefined) return outcome
  if (!(error instanceof Stripe.errors.StripeError)) return unreadable(error, redact)
  const { statusCode, code, param, requestId } = error
  if (statusCode === undefined) return unreadable(error, redact)
  const words = [code, error.message, param === undefined ? undefined : `parameter ${param}`, requestId]
  const detail = redact(words.filter(Boolean).join('; '))
  // Another request with this idempotency key is being carried out.
  if (statusCode === 409) return { kind: 'unclear', code: 'no_answer', detail }
  if (statusCode === 403) return stopped('credentials_refused', detail)
  if (statusCode === 404 && code !== 'resource_missing') return stopped('receiver_not_found', detail)
  if (code === 'resource_missing' && param === 'customer') return refused('customer_not_mapped', detail)
  if (/currenc(y|ies)/i.test(error.message)) return refused('currency_not_enabled', detail)
  return refused('receiver_refused', detail)
}

function refused(code: string, detail: string): PutOutcome {
  return { kind: 'refused', code, detail }
}
