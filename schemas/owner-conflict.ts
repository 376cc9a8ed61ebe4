// Where two systems disagree on a field of one object: the entry `conflict.*` of the bucket `weir_arrivals`, which sources write
// and exceptions read.

import { z } from 'zod'

export const conflictKeys = 'conflict.>'

export const ownerConflictSchema = z.object({
  /** `conflicting_state`: of the status of a subscription. */
  code: z.enum(['conflicting_owner', 'conflicting_state']),
  field: z.string(),
  /** Whose value holds; null: no rule says whose. */
  owner: z.string().nullable(),
  owner_value: z.unknown(),
  system: z.string(),
  value: z.unknown(),
  /** The events that said so, as ids within their sources; absent: one that was told before ids were kept. */
  owner_event: z.string().optional(),
  event: z.string().optional(),
  since: z.string(),
  revision: z.int(),
})
export type OwnerConflict = Readonly<z.infer<typeof ownerConflictSchema>>

export const objectConflictsSchema = z.object({
  object: z.enum(['customer', 'subscription']),
  id: z.string(),
  customer_id: z.string(),
  /** Entries are written in this order. */
  written: z.int(),
  conflicts: z.array(ownerConflictSchema),
})
export type ObjectConflicts = Readonly<z.infer<typeof objectConflictsSchema>>
