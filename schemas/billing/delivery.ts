// A delivery: one record for one connection, and how far it has come. Contract section 11.
//
//   waiting -> sending -> posted                       sent, and the receiver has it
//                      -> written -> posted            there, and posted later by somebody
//                      -> unclear -> (looked up)       posted, written, or waiting again
//                      -> waiting                      surely not taken: sent again later
//                      -> refused                      set aside as an exception
//   waiting -> held -> waiting                         the flow gate or a rule holds it back, with the reason
//                   -> refused                         a second person has rejected it: set aside, and never sent
//   unclear -> refused                                 looked up and not there, too often (attempts_exhausted)
//   refused -> waiting                                 taken up again: at a start, or because somebody said retry
//           -> unclear                                 the same, where an earlier sending may have been taken
//   waiting -> superseded                              a document that the receiver makes itself takes its place, or a newer
//                                                      record of the same thing: it gets none of ours, and there is nothing to mend
//
// Invariant: attempts are kept up to a limit, the first ones and the last ones; `attempt_count` counts them all.

import { z } from 'zod'
import { stableId } from '../identifiers.js'

export const deliveryStates = [
  'waiting',
  'sending',
  'unclear',
  'written',
  'posted',
  'refused',
  'held',
  'superseded',
] as const
export type DeliveryState = (typeof deliveryStates)[number]

/** No further step is expected: the delivery needs no place in memory. */
export function isSettled(state: DeliveryState): boolean {
  return state === 'posted' || state === 'refused' || state === 'superseded'
}

const recordKinds = [
  'batch_line',
  'journal',
  'credit_note',
  'release',
  'customer_standing',
  'support_case',
] as const

const attemptSchema = z.object({
  at: z.string(),
  /** Of a put: `accepted`, `written`, `refused`, `throttled`, `unclear`, `not_for_receiver`, `stopped`; of a look-up: `found_…`. */
  outcome: z.string(),
  code: z.string().optional(),
  detail: z.string().optional(),
})

export const deliverySchema = z.object({
  delivery_id: z.string(),
  connection: z.string(),
  record: z.object({ kind: z.enum(recordKinds), id: z.string() }),
  key: z.string(),
  state: z.enum(deliveryStates),
  external_id: z.string().optional(),
  /** In the state `held`: what holds it back (pipeline/deliver/flow-gate.ts). In `refused`: that somebody rejected it. */
  held: z
    .object({
      code: z.string(),
      detail: z.string(),
      /** What its sending would change at the receiver, as far as that was read there. */
      would: z.string().optional(),
    })
    .optional(),
  /** When it came into this state. */
  at: z.string(),
  /** Of the record: whose it is. */
  customer_id: z.string().optional(),
  entity_id: z.string().optional(),
  correlation_id: z.string().optional(),
  /** Sendings without an answer after which the receiver did not have the record (pipeline/deliver/give-up.ts). */
  failed: z
    .object({
      count: z.int().min(1),
      /** Those of them that say something about this record, since others got through. */
      own: z.int().min(0),
      since: z.string(),
      last: z.string(),
    })
    .optional(),
  /** Where it was put, in the receiver's terms: what a look-up needs beside the record (sinks/connector.ts). */
  place: z.record(z.string(), z.string()).optional(),
  /** True: an earlier sending may have been taken and cannot be looked up, so it goes to the same place again or nowhere. */
  may_be_there: z.boolean().optional(),
  /** The receiver's id of the request that took it and judges it later. */
  receipt: z.string().optional(),
  /** True: somebody has decided that it goes without waiting for the record that it comes after. */
  out_of_order: z.boolean().optional(),
  attempts: z.array(attemptSchema),
  attempt_count: z.int().min(0),
})

export type Attempt = Readonly<z.infer<typeof attemptSchema>>
export type Delivery = Readonly<z.infer<typeof deliverySchema>>

/** The same record is the same delivery whenever it is read. */
export function deliveryIdOf(
  connection: string,
  { kind, id }: { readonly kind: string; readonly id: string },
): string {
  return stableId('dl', connection, kind, id)
}

const keptFirst = 2
const keptLast = 6

export function withAttempt(delivery: Delivery, attempt: Attempt): Delivery {
  const attempts = [...delivery.attempts, attempt]
  if (attempts.length > keptFirst + keptLast) attempts.splice(keptFirst, 1)
  return { ...delivery, attempts, attempt_count: delivery.attempt_count + 1 }
}

/**
 * One message of the stream DELIVERIES, on `deliveries.<connection>`: the deliveries of one connection that changed
 * together, whole, so that the last message that names a delivery says all of it.
 */
export const deliveryStepSchema = z.object({
  /** Unique to this message. */
  step: z.string(),
  /** The sequence of the source stream up to which records have been taken in. */
  taken_up_to: z.int().min(0),
  /** Unsettled records are in messages from this sequence on; 0: from this message on. */
  replay_from: z.int().min(0),
  changed: z.array(
    deliverySchema.extend({
      /** When it is taken in or up again: the record to send. */
      recorded_at: z.string().optional(),
      document: z.record(z.string(), z.unknown()).optional(),
      /** With the document: the record or charge that has to be settled first (pipeline/deliver/record-order.ts). */
      after: z.string().optional(),
      /** With the document: the message of the source stream that the record came from. */
      source_sequence: z.int().optional(),
    }),
  ),
})

export type DeliveryStep = Readonly<z.infer<typeof deliveryStepSchema>>
export type ChangedDelivery = DeliveryStep['changed'][number]
