// That a billing batch was taken: when and by whom, as far as it is known. Kept in the bucket `weir_runs`, one key a batch,
// written once.

import { z } from 'zod'

const instant = z.iso.datetime({ offset: true })

export const acknowledgedBySchema = z.union([
  z.object({ kind: z.literal('api_key'), id: z.string(), name: z.string() }),
  z.object({ kind: z.literal('nats_consumer'), id: z.string() }),
])

/** Null where it is not known: NATS tells the instant of its last acknowledgement only, and of none the user. */
export const acknowledgementSchema = z.object({
  acknowledged_at: instant.nullable(),
  acknowledged_by: acknowledgedBySchema.nullable(),
})

export type Acknowledgement = z.infer<typeof acknowledgementSchema>

/** Before it was kept who acknowledged, the value was the instant alone. */
export function acknowledgementFromText(text: string): Acknowledgement {
  if (!text.startsWith('{')) return { acknowledged_at: text, acknowledged_by: null }
  return acknowledgementSchema.parse(JSON.parse(text))
}
