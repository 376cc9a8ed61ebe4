// The routes that show the rules of systems of record, and one object as all systems tell it.

import { z } from 'zod'
import { ownerConflictSchema } from '../../../schemas/owner-conflict.js'
import { Problem } from '../../gateway/problem.js'
import { type ApiRoute, needs } from '../../gateway/route.js'
import { sourcesTag } from '../door/door.js'
import { heldFields } from './claimed-object.js'
import type { ObjectClaims } from './object-claims.js'
import { type OwnerRule, ownedFields, ownedObjects } from './owner-rules.js'

export const objectParams = z.object({
  object: z
    .enum(ownedObjects)
    .describe('customer or subscription')
    .meta({ examples: ['customer'] }),
  id: z
    .string()
    .describe('Our id of it')
    .meta({ examples: ['acme'] }),
})
const schema = z
  .object({
    object: z.enum(ownedObjects),
    id: z.string(),
    customer_id: z.string(),
    holds: z.record(z.string(), z.unknown()).describe('By field'),
    claims: z
      .record(z.string(), z.record(z.string(), z.unknown()))
      .describe('The last value of each system, by field and system; `api`: whoever sends events'),
    conflicts: z.array(ownerConflictSchema),
  })
  .meta({ id: 'OwnedObject' })

const ruleSchema = z
  .object({
    object: z.enum(ownedObjects),
    field: z.string().describe('`*`: every field without a rule of its own'),
    owner: z.array(z.string()).describe('Of several the first that has said something'),
  })
  .meta({ id: 'OwnerRule' })
export type OwnerRuleView = z.infer<typeof ruleSchema>
const rulesSchema = z.object({
  rules: z.array(ruleSchema),
  fields: z.record(z.string(), z.array(z.string())).describe('By object: the fields that a rule may name'),
})

export function ownerRoutes(claims: ObjectClaims, rules: readonly OwnerRule[]): readonly ApiRoute[] {
  return [rulesRoute(rules), objectRoute(claims, rules)]
}

function rulesRoute(rules: readonly OwnerRule[]): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/systems-of-record',
    access: needs('read'),
    operationId: 'listOwnerRules',
    tag: sourcesTag,
    summary: 'Which system owns which field',
    description: 'The section `systems_of_record` of the configuration, and the fields that it may name.',
    responses: {
      200: {
        description: 'The rules.',
        schema: rulesSchema,
        example: {
          rules: [{ object: 'customer', field: 'name', owner: ['crm', 'billing'] }],
          fields: { customer: ['name', 'currency'] },
        },
      },
    },
    async handle() {
      const all = rules.map(({ object, field, owner }) => ({ object, field, owner: [...owner] }))
      return { status: 200, body: { rules: all, fields: ownedFields } }
    },
  }
}

function objectRoute(claims: ObjectClaims, rules: readonly OwnerRule[]): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/systems-of-record/{object}/{id}',
    access: needs('read'),
    operationId: 'getOwnedObject',
    tag: sourcesTag,
    summary: 'What all systems say of one object',
    description: 'The value that holds of each field, what each system said last, and where they disagree.',
    params: objectParams,
    responses: {
      200: {
        description: 'The object.',
        schema,
        example: {
          ...{ object: 'customer', id: 'acme', customer_id: 'acme', holds: { name: 'Acme' } },
          claims: { name: { crm: 'Acme', billing: 'ACME Ltd' } },
          conflicts: [],
        },
      },
    },
    problems: ['not_found', 'invalid_request'],
    async handle(call) {
      const parsed = objectParams.safeParse(call.params)
      const found = parsed.success ? await claims.read(parsed.data.object, parsed.data.id) : undefined
      if (found === undefined)
        throw new Problem('not_found', 'No system with a rule of systems_of_record has told of this object.')
      const { object, id, customer_id, fields, conflicts } = found
      const ofSystems = Object.fromEntries(
        Object.entries(fields).map(([field, ofField]) => [
          field,
          Object.fromEntries(Object.entries(ofField).map(([system, { value }]) => [system, value])),
        ]),
      )
      const body = {
        object,
        id,
        customer_id,
        holds: heldFields(found, rules),
        claims: ofSystems,
        conflicts,
      }
      return { status: 200, body }
    },
  }
}
