// What flow control looks like on the wire: the bodies that the routes read and the answers that they give.

import { z } from 'zod'
import { deliveryClasses, rolloutModes } from '../deliver/feed.js'
import { holdCodes, weirModes } from '../deliver/flow-gate.js'
import type { ApiTag } from '../gateway/route.js'
import { incidentSteps } from './flow-state.js'

export const flowTag: ApiTag = {
  name: 'Flow control',
  description: 'What leaves Weir and what waits: pauses, modes, freeze windows, staged rollout, incidents.',
}

const reason = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .describe('Why; it is shown to everybody who waits, and audited')
export const reasonBody = z.strictObject({ reason }).meta({ id: 'FlowReason' })
export const optionalReasonBody = z
  .strictObject({ reason: reason.default('') })
  .meta({ id: 'OptionalFlowReason' })
export const modeBody = z.strictObject({ mode: z.enum(weirModes), reason }).meta({ id: 'ModeChange' })

const names = z.array(z.string().min(1).max(256)).max(10_000)
export const rolloutBody = z
  .strictObject({
    mode: z.enum([...rolloutModes, 'configured']).describe('`configured`: what the configuration says again'),
    allow: z
      .strictObject({ entities: names.default([]), customers: names.default([]) })
      .optional()
      .describe('With `controlled`: whose records go. Absent: the list stays as it is'),
    reason,
  })
  .meta({ id: 'RolloutChange' })

const stamp = z.object({ reason: z.string(), by: z.string(), at: z.string() })
export const holdSchema = z
  .object({ code: z.enum(holdCodes), detail: z.string(), until: z.iso.datetime().nullable() })
  .meta({ id: 'Hold', description: 'Why something waits; `until` is null when somebody has to act' })
const allow = z.object({ entities: z.array(z.string()), customers: z.array(z.string()) })

export const sinkSchema = z
  .object({
    sink: z.string().describe('What the routes and commands take'),
    kind: z.enum(['feed', 'connection']),
    stream: z.string(),
    state: z.string().describe('`running`, `retrying`, `blocked`, `paused`, `standby`, `failed`, …'),
    detail: z.string().describe('The trouble, if there is any'),
    position: z.int().min(0).describe('The last stream sequence that the sink has'),
    behind: z.int().min(0).nullable().describe('Messages that wait; null while this process does not read'),
    refused: z.int().min(0).describe('Records set aside'),
    hold: holdSchema.nullable(),
    paused: stamp.nullable(),
    rollout: z
      .object({
        mode: z.enum(rolloutModes),
        allow,
        class: z.enum(deliveryClasses),
        configured: z.enum(rolloutModes),
        set: stamp.nullable().describe('Null: it is as configured'),
      })
      .nullable()
      .describe('Of a connection'),
    in_hand: z
      .object({ open: z.int().min(0), held: z.record(z.string(), z.int()) })
      .nullable()
      .describe('Records of a connection that are not settled, and of those the held ones by the reason'),
  })
  .meta({ id: 'Sink' })
export type SinkView = z.infer<typeof sinkSchema>

export const modeSchema = z
  .object({
    mode: z.enum(weirModes),
    set: stamp.describe('Who set it, when and why; empty texts: nobody has'),
    open_windows: z.array(z.string()),
    notes: z.array(z.string()).describe('What holds Weir now, in sentences'),
  })
  .meta({ id: 'Mode' })

export const windowSchema = z
  .looseObject({
    name: z.string(),
    entity: z.string().optional(),
    mode: z.enum(['read_only', 'frozen']),
    reason: z.string(),
    is_open: z.boolean(),
    changes_at: z.iso.datetime().nullable().describe('When it opens or ends next; null: never'),
    set: stamp.nullable().describe('Null: it is in the configuration'),
  })
  .meta({ id: 'FreezeWindow' })

export const incidentSchema = z
  .object({
    incident: z
      .object({
        incident_id: z.string(),
        done: z.array(stamp.extend({ step: z.enum(incidentSteps), detail: z.string() })),
      })
      .nullable(),
    next: z.enum(incidentSteps).nullable().describe('The step to be done next; null: no incident is open'),
    waits_for: z
      .array(z.object({ sink: z.string(), open: z.int().min(0) }))
      .describe('What the last step released and has not been delivered yet'),
  })
  .meta({ id: 'Incident' })
export type IncidentView = z.infer<typeof incidentSchema>

export const stepBody = z
  .strictObject({
    reason: reason.default(''),
    /** Of `reconcile`: what the reconciliation said. */
    differences: z.int().min(0).optional().describe('With `reconcile`: how many differences were found'),
    force: z.boolean().default(false).describe('Go on although something differs or waits'),
  })
  .meta({ id: 'IncidentStep' })

export const stampExample = {
  reason: 'the ERP is migrated',
  by: 'ops (0123456789ab)',
  at: '2026-02-01T09:00:00Z',
}
export const sinkExample: SinkView = {
  sink: 'connection.hook',
  kind: 'connection',
  stream: 'POSTINGS',
  state: 'paused',
  detail: '',
  position: 120,
  behind: 4,
  refused: 0,
  hold: {
    code: 'paused',
    detail: 'paused since 2026-02-01T09:00:00Z by ops (0123456789ab): the ERP is migrated',
    until: null,
  },
  paused: stampExample,
  rollout: {
    mode: 'controlled',
    allow: { entities: ['de'], customers: [] },
    class: 'money',
    configured: 'controlled',
    set: null,
  },
  in_hand: { open: 12, held: { not_on_allow_list: 10 } },
}
export const incidentExample: IncidentView = {
  incident: {
    incident_id: 'inc_20260201T090000',
    done: [{ ...stampExample, step: 'stop', detail: 'nothing leaves' }],
  },
  next: 'reconcile',
  waits_for: [],
}
