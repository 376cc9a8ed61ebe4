// What became of arrivals: one message of the stream ARRIVAL_OUTCOMES, on `arrival_outcomes.<source>`. Contract section 12.
// Invariants:
// 1. The last message of a source says how far its mapper is; each is written on top of the one before.
// 2. The last outcome of an arrival, by the sequence of its message, holds.

import { z } from 'zod'

/** `mapped`: it became events. `superseded`: another arrival, which tells of the same, took its place. */
export const arrivalStates = ['mapped', 'ignored', 'waiting', 'superseded'] as const
export type ArrivalState = (typeof arrivalStates)[number]

const count = z.int().min(0)

export const arrivalOutcomeSchema = z.object({
  arrival_id: z.string(),
  arrival_sequence: count,
  arrival_type: z.string(),
  via: z.string(),
  occurred_at: z.iso.datetime(),
  received_at: z.iso.datetime(),
  state: z.enum(arrivalStates),
  /** Why it waits or is ignored; of a superseded one `fetched`. */
  code: z.string(),
  detail: z.string(),
  pointer: z.string(),
  /** Everything that is wrong, where it waits for more than one thing. */
  problems: z.array(z.object({ code: z.string(), detail: z.string(), pointer: z.string() })),
  /** The arrival that took its place. */
  superseded_by: z.string(),
  events: z.array(
    z.object({ id: z.string(), type: z.string(), customer_id: z.string(), content_hash: z.string() }),
  ),
})

export const arrivalOutcomesSchema = z.object({
  source: z.string(),
  kind: z.string(),
  at: z.iso.datetime(),
  checkpoint: z.object({
    /** Everything up to this sequence of ARRIVALS has an outcome. */
    position: count,
    /** Arrivals that have one. */
    arrivals: count,
    /** A hash of the mapping and of what else decides, and how often it has changed. */
    mapping: z.string(),
    revision: count,
  }),
  outcomes: z.array(arrivalOutcomeSchema),
})

export type ArrivalOutcome = Readonly<z.infer<typeof arrivalOutcomeSchema>>
export type ArrivalOutcomes = Readonly<z.infer<typeof arrivalOutcomesSchema>>
export type SourceCheckpoint = Readonly<ArrivalOutcomes['checkpoint']>
