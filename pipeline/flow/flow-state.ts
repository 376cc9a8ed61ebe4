// What people have set to hold or let out what leaves: one document in the bucket `weir_flow`, so that every change is whole
// and replaces the one before it or is refused.

import { z } from 'zod'
import { deliveryClasses, rolloutModes } from '../deliver/feed.js'
import { weirModes } from '../deliver/flow-gate.js'
import { freezeWindowSchema } from './window-shape.js'

/** Who set something, when and why. */
export const stampSchema = z.object({ reason: z.string(), by: z.string(), at: z.string() })
export type Stamp = Readonly<z.infer<typeof stampSchema>>

export const allowSchema = z.object({ entities: z.array(z.string()), customers: z.array(z.string()) })

export const incidentSteps = ['stop', 'reconcile', ...deliveryClasses] as const
export type IncidentStep = (typeof incidentSteps)[number]

const incidentSchema = z.object({
  incident_id: z.string(),
  /** The steps that are done, in their order. */
  done: z.array(stampSchema.extend({ step: z.enum(incidentSteps), detail: z.string() })),
})
export type Incident = Readonly<z.infer<typeof incidentSchema>>

const flowStateSchema = z.object({
  mode: stampSchema.extend({ mode: z.enum(weirModes) }),
  /** By the key of the feed. */
  paused: z.record(z.string(), stampSchema),
  /** By the name of the connection; they go before the configuration. */
  rollouts: z.record(z.string(), stampSchema.extend({ mode: z.enum(rolloutModes), allow: allowSchema })),
  windows: z.array(z.object({ window: freezeWindowSchema(z), set: stampSchema })),
  /** Null: none is open. */
  incident: incidentSchema.nullable(),
})

export type FlowState = Readonly<z.infer<typeof flowStateSchema>>

const nobody: Stamp = { reason: '', by: '', at: '' }

export const untouchedState: FlowState = {
  mode: { mode: 'normal', ...nobody },
  paused: {},
  rollouts: {},
  windows: [],
  incident: null,
}

/** What holds while the document cannot be read: nothing leaves until somebody sets a mode. */
export function unreadableState(detail: string): FlowState {
  const reason = `what was set cannot be read: ${detail}`
  return { ...untouchedState, mode: { mode: 'frozen', reason, by: 'weir', at: '' } }
}

export function readState(bytes: Uint8Array): FlowState {
  try {
    return flowStateSchema.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (error) {
    return unreadableState(String(error).slice(0, 200))
  }
}
