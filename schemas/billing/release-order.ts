// The order to post releases: deferred revenue that is earned becomes revenue. Published on `control.release`, by a billing run
// whose batches are out, or by a person.

import { z } from 'zod'

export const releaseOrderSchema = z.object({
  release_id: z.string().min(1),
  /** The last day whose releases are posted; null: the last day that is over at `cutoff` in each entity's time zone. */
  until: z.iso.date().nullable(),
  cutoff: z.iso.datetime({ offset: true }),
  /** Null: every entity. */
  entity_id: z.string().nullable(),
  /** Null: a person asked for it. */
  billing_run_id: z.string().nullable(),
  /** What lies in BILLING up to here is posted first. */
  after_billing: z.int().min(0),
})

export type ReleaseOrder = z.infer<typeof releaseOrderSchema>
