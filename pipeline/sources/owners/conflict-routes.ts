// The routes of conflicts: where systems disagree on a field, and what somebody decides of it.
// Invariants:
// 1. What is decided holds of the two values that somebody saw: others are refused (`conflict_changed`).
// 2. The act is on the audit trail before it is on disk, and on disk before the customer is published. Asked for again, as after a
//    crash, it publishes the same event, which is a duplicate.

import type { JetStreamManager } from '@nats-io/jetstream'
import { z } from 'zod'
import { ownerConflictSchema } from '../../../schemas/owner-conflict.js'
import { formatInstant, formatInstantMs } from '../../../schemas/time.js'
import type { AuditTrail } from '../../gateway/audit-trail.js'
import type { EventTaker } from '../../gateway/event-taker.js'
import { Problem } from '../../gateway/problem.js'
import { type ApiCall, type ApiRoute, jsonBody, needs, readJson, readQuery } from '../../gateway/route.js'
import { sourcesTag } from '../door/door.js'
import { sourceCaller } from '../settle.js'
import { type ClaimedObject, heldFields, type SettledConflict } from './claimed-object.js'
import { customerData } from './object-claim.js'
import type { ObjectClaims } from './object-claims.js'
import { objectParams } from './owner-routes.js'
import { type OwnerRule, ownedObjects } from './owner-rules.js'

export interface ConflictParts {
  readonly claims: ObjectClaims
  readonly rules: readonly OwnerRule[]
  readonly jsm: JetStreamManager
  readonly audit: AuditTrail
  readonly events: Pick<EventTaker, 'take'>
  readonly nowMs: () => number
}

/** The event of a customer whose value somebody took; `weir:` as of all that is no word of the API. */
const eventSource = 'weir:systems_of_record'

const conflictSchema = ownerConflictSchema
  .extend({ object: z.enum(ownedObjects), id: z.string(), customer_id: z.string() })
  .meta({ id: 'OwnerConflict' })
export type ConflictView = z.infer<typeof conflictSchema>

const example: ConflictView = {
  ...{ object: 'customer', id: 'acme', customer_id: 'acme', code: 'conflicting_owner', field: 'name' },
  ...{
    owner: 'crm',
    owner_value: 'Acme',
    owner_event: 'acc_1/upserted',
    system: 'billing',
    value: 'ACME Ltd',
  },
  ...{ event: 'cus_1/upserted', since: '2026-11-01T00:00:00.000Z', revision: 4 },
}

const listQuery = z.strictObject({
  object: z.enum(ownedObjects).optional().describe('Only of objects of this kind'),
  field: z.string().optional().describe('Only of this field'),
  system: z.string().optional().describe('Only where this system disagrees, or owns the field'),
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Objects in a page'),
})

const resolveBody = z.strictObject({
  field: z.string(),
  system: z.string().describe('The system that disagrees with the owner'),
  resolution: z
    .enum(['keep', 'take'])
    .describe(
      '`keep`: what holds stays. `take`: the value of the system holds, until the owner says another',
    ),
  revision: z.int().describe('Of the conflict, as it was seen'),
  reason: z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail'),
})
const resolvedSchema = z.object({
  object: z.enum(ownedObjects),
  id: z.string(),
  field: z.string(),
  resolution: z.enum(['keep', 'take']),
  holds: z.unknown().describe('The value that holds now'),
})
export type ResolvedView = z.infer<typeof resolvedSchema>

export function conflictRoutes(parts: ConflictParts): readonly ApiRoute[] {
  return [listRoute(parts), resolveRoute(parts)]
}

function listRoute({ claims, jsm }: ConflictParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/systems-of-record/conflicts',
    access: needs('read'),
    operationId: 'listOwnerConflicts',
    tag: sourcesTag,
    summary: 'Where systems of record disagree',
    description:
      'Each field of an object on which a system says something else than its owner, with both values, the ids of the events ' +
      'that said so, and since when. A page holds all of `limit` objects, and may be empty with a filter: ask again with ' +
      '`after` set to `next_after` until that is null.',
    query: listQuery,
    responses: {
      200: {
        description: 'A page of conflicts.',
        schema: z.object({ conflicts: z.array(conflictSchema), next_after: z.string().nullable() }),
        example: { conflicts: [example], next_after: null },
      },
    },
    async handle(call) {
      const { after = '', limit, object, field, system } = readQuery(call, listQuery)
      const page = await claims.conflicts(jsm, after, limit)
      const conflicts = page.objects.flatMap((one): ConflictView[] =>
        one.conflicts.map(conflict => {
          const { id, customer_id } = one
          return { object: one.object, id, customer_id, ...conflict }
        }),
      )
      const asked = conflicts.filter(
        one =>
          (object === undefined || one.object === object) &&
          (field === undefined || one.field === field) &&
          (system === undefined || one.system === system || one.owner === system),
      )
      return { status: 200, body: { conflicts: asked, next_after: page.next ?? null } }
    },
  }
}

function resolveRoute(parts: ConflictParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/systems-of-record/{object}/{id}/resolve',
    audits: ['owner_conflict.resolved'],
    access: needs('operate'),
    operationId: 'resolveOwnerConflict',
    tag: sourcesTag,
    summary: 'Decide a conflict of two systems',
    description:
      'It holds as long as both systems say what they say now; a new word of either takes it back. `take` is for customers: the ' +
      'changes of a subscription are in the order of its owner, so correct it there, or send an amendment.',
    params: objectParams,
    body: jsonBody(resolveBody, {
      ...{
        field: 'name',
        system: 'billing',
        resolution: 'take',
        revision: 4,
        reason: 'The contract says so',
      },
    }),
    responses: {
      200: {
        description: 'What holds now.',
        schema: resolvedSchema,
        example: { object: 'customer', id: 'acme', field: 'name', resolution: 'take', holds: 'ACME Ltd' },
      },
    },
    problems: ['not_found', 'invalid_request', 'conflict_changed', 'broker_unavailable'],
    handle: call => resolve(parts, call),
  }
}

async function resolve({ claims, rules, audit, events, nowMs }: ConflictParts, call: ApiCall) {
  const params = objectParams.safeParse(call.params)
  const body = await readJson(call, resolveBody)
  const claimed = params.success ? await claims.read(params.data.object, params.data.id) : undefined
  if (!params.success || claimed === undefined)
    throw new Problem('not_found', 'No system with a rule of systems_of_record has told of this object.')
  const { object, id } = params.data
  if (object !== 'customer' && body.resolution === 'take')
    throw new Problem(
      'invalid_request',
      'The changes of a subscription are in the order of its owner: correct it there, or send an amendment; `keep` leaves it as it is.',
    )
  const decided = decisionOn(claimed, body)
  if (decided === undefined)
    throw new Problem(
      'conflict_changed',
      `${body.system} and the owner of ${body.field} do not disagree under this revision any more.`,
    )
  await audit.record({
    caller: call.caller,
    act: 'owner_conflict.resolved',
    object: { kind: object, id },
    reason: body.reason,
    before: { field: body.field, holds: heldFields(claimed, rules)[body.field] ?? null },
    after: decided,
  })
  const since = formatInstantMs(nowMs())
  const after = await claims.settle(object, id, now => decisionOn(now, body), since)
  if (after === undefined) throw new Problem('conflict_changed', 'The conflict has changed in the meantime.')
  if (object === 'customer' && body.resolution === 'take') await publish(after, rules, events)
  const holds = heldFields(after, rules)[body.field] ?? null
  return { status: 200, body: { object, id, field: body.field, resolution: body.resolution, holds } }
}

/** Of a conflict that is there, or was decided in the same way; undefined: neither. */
function decisionOn(
  { conflicts, settled = [] }: ClaimedObject,
  { field, system, resolution, revision }: z.output<typeof resolveBody>,
): SettledConflict | undefined {
  const open = conflicts.find(
    one => one.field === field && one.system === system && one.revision === revision,
  )
  if (open === undefined)
    return settled.find(one => one.field === field && one.system === system && one.resolution === resolution)
  const { owner, owner_value, value } = open
  return { field, owner, owner_value, system, value, resolution }
}

async function publish(
  { id, count, made_at, ...claimed }: ClaimedObject,
  rules: readonly OwnerRule[],
  events: Pick<EventTaker, 'take'>,
): Promise<void> {
  const event = {
    ...{ specversion: '1.0', id: `${id}~r${count}`, source: eventSource, type: 'weir.customer.upserted' },
    ...{ subject: id, time: formatInstant(BigInt(made_at)) },
    data: customerData(id, heldFields(claimed, rules)),
  }
  const { rejected } = await events.take([event], sourceCaller)
  const [refused] = rejected
  if (refused !== undefined) throw new Problem('invalid_request', `${refused.code}: ${refused.detail}`)
}
