// What a person or a job answered to exceptions: one message of the stream RESOLUTIONS, on
// `resolutions.<resolution>`, for one exception or for many. Contract section 10.
// Invariant: the last message that names an exception holds, and only for what was known then: `revision` is how
// far the exception had come, and what fails again after that is open again.

import { z } from 'zod'
import { exceptionKinds, resolutions } from './exception-kinds.js'

const resolvedSchema = z.object({
  exception_id: z.string(),
  kind: z.enum(exceptionKinds),
  code: z.string(),
  event_source: z.string(),
  event_id: z.string(),
  customer_id: z.string(),
  revision: z.int().min(0),
})

export const resolutionMessageSchema = z.object({
  resolution: z.enum(resolutions),
  at: z.iso.datetime(),
  /** The key that asked for it; absent on a gateway that needs none. */
  key_id: z.string().optional(),
  key_name: z.string().optional(),
  job_id: z.string().optional(),
  reason: z.string(),
  exceptions: z.array(resolvedSchema).min(1),
})

export type ResolvedException = Readonly<z.infer<typeof resolvedSchema>>
export type ResolutionMessage = Readonly<z.infer<typeof resolutionMessageSchema>>
