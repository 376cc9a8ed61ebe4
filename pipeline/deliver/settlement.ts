// What becomes of an unclear delivery when a person has looked at the receiver and says whether the record is there. Pure.
// Invariants:
// 1. Only an unclear delivery is settled so, and only when nothing was sent or found since the person looked.
// 2. Its attempts keep who said it, and why.

import { type Delivery, withAttempt } from '../../schemas/billing/delivery.js'
import { formatInstantMs } from '../../schemas/time.js'
import type { DeliveryRequest } from './delivery-requests.js'

export const settledByPerson = 'settled_by_person'

/** Set aside while nobody knows whether the receiver has it: it is unclear again when it is taken up. */
export function isUnclearException({ may_be_there }: Pick<Delivery, 'may_be_there'>): boolean {
  return may_be_there === true
}

/** Whether the word is about this sending (invariant 1). */
export function isAbout(
  { attempt_count }: Pick<DeliveryRequest, 'attempt_count'>,
  delivery: Delivery,
): boolean {
  return attempt_count === delivery.attempt_count
}

/** Undefined: it is not for this word to settle. */
export function settledBy(delivery: Delivery, request: DeliveryRequest, nowMs: number): Delivery | undefined {
  if (delivery.state !== 'unclear' || !isAbout(request, delivery)) return undefined // invariant 1
  const at = formatInstantMs(nowMs)
  const { act, by, reason, external_id } = request
  const detail = `${by === '' ? 'a person' : by}: ${reason}`.slice(0, 500)
  const attempt = { at, outcome: `found_${act}`, code: settledByPerson, detail }
  const { receipt: _, failed: __, may_be_there: ___, ...rest } = withAttempt(delivery, attempt) // invariant 2
  if (act === 'there')
    return { ...rest, state: 'posted', at, ...(external_id === undefined ? {} : { external_id }) }
  const { place: ____, ...anew } = rest
  return { ...anew, state: 'waiting', at }
}
