// The routes of identities: the list, setting one or many, and removing one.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { nameField } from '../../schemas/json/wire-fields.js'
import { identityObjects, ownSystem } from '../feature/identity-lookup.js'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, type ApiTag, jsonBody, needs, readJson, readQuery } from '../gateway/route.js'
import type { Claim, Decided, IdentityDesk } from './identity-desk.js'
import { listIdentities, parseCursor } from './list-identities.js'
import type { MappingTable } from './mapping-table.js'

export const identitiesTag: ApiTag = {
  name: 'Identities',
  description: 'Which of our customers, plans, prices and entities other systems mean by their ids.',
}

export interface RouteParts {
  readonly desk: IdentityDesk
  readonly table: MappingTable
  readonly queries: ClickHouseClient
}

const systemName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/, 'up to 40 of a-z, 0-9, _ and -, the first a letter')
  .describe('Whose id it is: `crm`, `billing`, `erp`, or as `system` of a source says')
const ownName = systemName.refine(
  name => name !== ownSystem,
  `${ownSystem} is ourselves: merge customers instead`,
)
const reason = z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail')
const object = z.enum(identityObjects)

export const identitySchema = z
  .object({
    object,
    ours: z.string(),
    system: z.string(),
    theirs: z.string(),
    from: z.enum(['set', 'event']).describe('`set` by somebody; told by an `event` of the customer'),
    set_at: z.string().nullable(),
    set_by: z.string().nullable(),
  })
  .meta({ id: 'Identity' })

const ids = { object: 'customer' as const, ours: 'acme', system: 'billing', theirs: 'cus_1' }
const identityExample = {
  ...ids,
  from: 'set' as const,
  set_at: '2026-11-01T00:00:00.000Z',
  set_by: 'ops',
}

const filterShape = {
  object: object.optional().describe('Only of this kind'),
  ours: nameField.optional().describe('Only of this one of ours'),
  system: systemName.optional().describe('Only of this system'),
  theirs: nameField.optional().describe('Only this id of theirs'),
}
const listQuery = z.strictObject({
  ...filterShape,
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Identities in a page'),
})
const oneBody = z.strictObject({
  object,
  ours: nameField,
  system: ownName,
  theirs: nameField,
  instead_of: nameField.optional().describe('Whose it was, when it is to be moved'),
  reason,
})
const manyBody = z.strictObject({
  identities: z
    .array(oneBody.omit({ reason: true, instead_of: true }))
    .min(1)
    .max(500),
  dry_run: z.boolean().default(false).describe('Only say what would become of each'),
  reason,
})
const removeQuery = z.strictObject({
  object: object.describe('What it is an id of'),
  system: ownName,
  theirs: nameField.describe('The id that the system has'),
  reason,
})
const outcomeSchema = z.object({
  object,
  ours: z.string(),
  system: z.string(),
  theirs: z.string(),
  outcome: z.enum(['set', 'same', 'identity_taken']),
  taken_by: z.array(z.string()).describe('Of a taken one: whose it is'),
})
const manySchema = z.object({
  set: z.int(),
  same: z.int(),
  taken: z.int(),
  dry_run: z.boolean(),
  outcomes: z.array(outcomeSchema),
})

export function identityRoutes(parts: RouteParts): readonly ApiRoute[] {
  return [listRoute(parts), setRoute(parts), setManyRoute(parts), removeRoute(parts)]
}

function listRoute({ table, queries }: RouteParts): ApiRoute {
  const schema = z.object({
    identities: z.array(identitySchema),
    next_after: z.string().nullable().describe('Null: there is no more for now'),
  })
  return {
    method: 'GET',
    path: '/v1/identities',
    access: needs('read'),
    operationId: 'listIdentities',
    tag: identitiesTag,
    summary: 'The ids that other systems have for ours',
    description:
      'First what people set, then what events of customers say (`external_ids`), a page at a time: ask again with `after` ' +
      'set to `next_after` until that is null. Where both name one id of theirs, what was set holds.',
    query: listQuery,
    responses: {
      200: {
        description: 'A page of identities.',
        schema,
        example: { identities: [identityExample], next_after: null },
      },
    },
    problems: ['invalid_cursor'],
    async handle(call) {
      const { after, limit, ...filter } = readQuery(call, listQuery)
      const cursor = after === undefined ? undefined : parseCursor(after)
      if (after !== undefined && cursor === undefined)
        throw new Problem('invalid_cursor', '`after` is no cursor of this list.')
      const { identities, next } = await listIdentities(table, queries, filter, cursor, limit)
      return { status: 200, body: { identities, next_after: next } }
    },
  }
}

function setRoute({ desk, table }: RouteParts): ApiRoute {
  return {
    method: 'PUT',
    path: '/v1/identities',
    audits: ['identity.set'],
    access: needs('operate'),
    operationId: 'setIdentity',
    tag: identitiesTag,
    summary: 'Say which of ours an id of another system means',
    description:
      'What waits for it (`unknown_identity`) is freed within seconds. An id that stands for another of ours already is ' +
      'refused (`identity_taken`); `instead_of` names whose it was and moves it from now on: nothing that was made before changes.',
    body: jsonBody(oneBody, { ...ids, reason: 'the contract says so' }),
    responses: { 200: { description: 'The identity.', schema: identitySchema, example: identityExample } },
    problems: ['invalid_request', 'identity_taken'],
    async handle(call) {
      const { reason: why, ...body } = await readJson(call, oneBody)
      const claim = claimOf(body)
      const decided = await desk.set(claim, { caller: call.caller, reason: why })
      if (decided.kind === 'taken') throw taken(claim, decided.by)
      const kept = await table.get(claim)
      return { status: 200, body: { ...(kept?.mapping ?? claim), from: 'set' } }
    },
  }
}

function setManyRoute({ desk }: RouteParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/identities',
    audits: ['identities.imported'],
    access: needs('operate'),
    operationId: 'setIdentities',
    tag: identitiesTag,
    summary: 'Set up to 500 identities',
    description:
      'Each by itself: those that are taken are told and left as they are, the others are set. Sending a list again is ' +
      'harmless.',
    body: jsonBody(manyBody, { identities: [ids], reason: 'the first load' }),
    responses: {
      200: {
        description: 'What became of each.',
        schema: manySchema,
        example: {
          ...{ set: 1, same: 0, taken: 0, dry_run: false },
          outcomes: [{ ...ids, outcome: 'set', taken_by: [] }],
        },
      },
    },
    problems: ['invalid_request'],
    async handle(call) {
      const { identities, dry_run, reason: why } = await readJson(call, manyBody, mostBytes)
      const act = { caller: call.caller, reason: why }
      const decided = dry_run ? await desk.decide(identities) : await desk.setAll(identities, act)
      const count = (kind: Decided['kind']) => decided.filter(one => one.kind === kind).length
      const outcomes = identities.map((one, index) => ({ ...one, ...outcomeOf(decided[index]!) }))
      const body = { set: count('set'), same: count('same'), taken: count('taken'), dry_run, outcomes }
      return { status: 200, body }
    },
  }
}

/** 500 ids of 256 characters each, twice. */
const mostBytes = 2_000_000

function removeRoute({ desk }: RouteParts): ApiRoute {
  return {
    method: 'DELETE',
    path: '/v1/identities',
    audits: ['identity.removed'],
    access: needs('operate'),
    operationId: 'removeIdentity',
    tag: identitiesTag,
    summary: 'Remove one identity that was set',
    description: 'From now on nobody knows the id, or events of customers say again whose it is.',
    query: removeQuery,
    responses: {
      200: { description: 'The one that was.', schema: identitySchema, example: identityExample },
    },
    problems: ['invalid_request', 'not_found'],
    async handle(call) {
      const { reason: why, ...key } = readQuery(call, removeQuery)
      const removed = await desk.remove(key, { caller: call.caller, reason: why })
      if (removed === undefined)
        throw new Problem('not_found', `No ${key.object} was set for ${key.theirs} of ${key.system}.`)
      return { status: 200, body: { ...removed, from: 'set' } }
    },
  }
}

function claimOf({ instead_of, ...one }: Omit<z.output<typeof oneBody>, 'reason'>): Claim {
  return { ...one, insteadOf: instead_of }
}

function outcomeOf(decided: Decided) {
  return decided.kind === 'taken'
    ? { outcome: 'identity_taken' as const, taken_by: decided.by }
    : { outcome: decided.kind, taken_by: [] }
}

function taken({ object: of, system, theirs }: Claim, by: readonly string[]): Problem {
  const detail = `${theirs} of ${system} stands for the ${of} ${by.join(' and ')} already.`
  return new Problem('identity_taken', detail, { extra: { taken_by: by } })
}
