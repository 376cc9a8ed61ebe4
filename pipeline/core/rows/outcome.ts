// What a row of `event_outcomes` says of an event beside its attributes, and the reasons that it can name.

import type { Disposition } from '../../../schemas/event/dispositions.js'

export interface Outcome {
  readonly disposition: Disposition
  readonly code: string
  readonly detail: string
  /** -1: the event has left that disposition. */
  readonly change: 1 | -1
  /** Of a parked event. */
  readonly payload?: string
  /** The usage event that this one takes back or amends. */
  readonly target?: { readonly source: string; readonly id: string }
}

/** Same identity, same content: the twin that came first counts. */
export const duplicate: Outcome = { disposition: 'duplicate', code: '', detail: '', change: 1 }

/** No meter reads events of this type. */
export const noMeter: Outcome = { disposition: 'unmetered', code: 'no_meter', detail: '', change: 1 }

/** Meters read events of this type, and the filters of all of them turn this one away. */
export const filteredOut: Outcome = { disposition: 'unmetered', code: 'filtered_out', detail: '', change: 1 }

export const applied: Outcome = { disposition: 'applied', code: '', detail: '', change: 1 }

/** It was taken back before it was rated: it counts as rated, and the rows, which would add up to zero, are left out. */
export const retractedUnrated: Outcome = { disposition: 'rated', code: 'retracted', detail: '', change: 1 }

/** An amendment holds in the place of what was sent. */
export const superseded: Outcome = { disposition: 'rated', code: 'superseded', detail: '', change: 1 }

/** An amendment lets it count for nothing. */
export const withdrawn: Outcome = { disposition: 'rated', code: 'withdrawn', detail: '', change: 1 }

/** Why an event waits, where it is not for what a rejection says. */
export const waitsFor = {
  subscription: 'awaiting_subscription',
  history: 'awaiting_history',
  event: 'awaiting_event',
} as const
