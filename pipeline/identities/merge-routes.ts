// The routes that merge one customer into another, split them again, and name customers that may be one.
// Invariant: a merge changes whom ids mean from now on, and nothing that was made before: sealed charges stay as they are, and a
// subscription stays with the customer under which it was told (pipeline/sources/owners), as whatever is told again does.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { nameField } from '../../schemas/json/wire-fields.js'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import type { MappingTable } from './mapping-table.js'
import type { MergeDesk } from './merge-desk.js'
import { duplicatesOf, effectOf } from './merge-effect.js'
import type { MergedCustomers } from './merged-customers.js'
import { identitiesTag } from './routes.js'

export interface MergeParts {
  readonly desk: MergeDesk
  readonly table: MappingTable
  readonly merged: MergedCustomers
  readonly queries: ClickHouseClient
}

const reason = z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail')
const dryRun = z.boolean().default(true).describe('Only show what it does')
const mergeBody = z.strictObject({ from: nameField, into: nameField, dry_run: dryRun, reason })
const splitBody = z.strictObject({ customer: nameField, reason })
const money = z.array(z.object({ currency: z.string(), lines: z.int(), amount: z.string() }))
const mergeSchema = z.object({
  from: z.string(),
  into: z.string(),
  done: z.boolean(),
  subscriptions: z.array(z.string()).describe('They stay with `from`, up to 1,000 of them'),
  sealed: money.describe('Billed lines of `from`: never rewritten'),
  open: money.describe('Rated usage of `from`, billed or not: it stays with the subscriptions'),
  identities: z.array(z.string()).describe('Ids that mean `into` from now on, beside those of events'),
  note: z.string(),
})
const note =
  'From now on ids of the first mean the second: new subscriptions, payments and changes of the customer go there. Its subscriptions stay ' +
  'where they are, with their usage and charges, until you cancel them there and begin them anew. weir identities split takes it back.'
const pair = { from: 'acme-old', into: 'acme' }
const example = {
  ...{ ...pair, done: false, subscriptions: ['sub_1'], open: [] },
  ...{ sealed: [{ currency: 'EUR', lines: 3, amount: '90' }], identities: ['crm 001'], note },
}

export function mergeRoutes(parts: MergeParts): readonly ApiRoute[] {
  return [mergeRoute(parts), splitRoute(parts), duplicatesRoute(parts)]
}

function mergeRoute({ desk, table, queries }: MergeParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/identities/merge',
    audits: ['customer.merged'],
    access: needs('operate'),
    operationId: 'mergeCustomers',
    tag: identitiesTag,
    summary: 'Merge one customer into another',
    description:
      'Shows first what it does; with `dry_run` false it does it. Nothing that was billed or rated is rewritten.',
    body: jsonBody(mergeBody, { ...pair, dry_run: true, reason: 'two of the CRM are one' }),
    responses: { 200: { description: 'What it does.', schema: mergeSchema, example } },
    problems: ['invalid_request', 'identity_taken'],
    async handle(call) {
      const { from, into, dry_run, reason: why } = await readJson(call, mergeBody)
      const act = { caller: call.caller, reason: why }
      const effect = await effectOf(queries, from)
      const identities = (await table.of('customer', from)).map(
        ({ mapping }) => `${mapping.system} ${mapping.theirs}`,
      )
      const decided = await (dry_run ? desk.decide(from, into) : desk.merge(from, into, act))
      if (decided.kind === 'taken')
        throw new Problem(
          'identity_taken',
          `${from} was merged into ${decided.into} already; split it first.`,
        )
      if (decided.kind === 'circle')
        throw new Problem('invalid_request', `${into} stands for ${from} already: it would be a circle.`)
      return { status: 200, body: { from, into, done: !dry_run, ...effect, identities, note } }
    },
  }
}

function splitRoute({ desk }: MergeParts): ApiRoute {
  return {
    method: 'POST',
    path: '/v1/identities/split',
    audits: ['customer.split'],
    access: needs('operate'),
    operationId: 'splitCustomer',
    tag: identitiesTag,
    summary: 'Take a merge back',
    description:
      'From now on its ids mean the customer itself again; what was made meanwhile stays with the other one.',
    body: jsonBody(splitBody, { customer: 'acme-old', reason: 'they are two' }),
    responses: {
      200: {
        description: 'It stands for itself.',
        schema: z.object({ customer: z.string(), was: z.string() }),
        example: { customer: 'acme-old', was: 'acme' },
      },
    },
    problems: ['invalid_request', 'not_found'],
    async handle(call) {
      const { customer, reason: why } = await readJson(call, splitBody)
      const was = await desk.split(customer, { caller: call.caller, reason: why })
      if (was === undefined) throw new Problem('not_found', `${customer} was not merged.`)
      return { status: 200, body: { customer, was } }
    },
  }
}

function duplicatesRoute({ queries, merged }: MergeParts): ApiRoute {
  const schema = z.object({
    duplicates: z.array(z.object({ same: z.string(), value: z.string(), customers: z.array(z.string()) })),
  })
  return {
    method: 'GET',
    path: '/v1/identities/duplicates',
    access: needs('read'),
    operationId: 'listDuplicates',
    tag: identitiesTag,
    summary: 'Customers that may be one',
    description:
      'Those with the same id in another system, or the same tax id or domain in their metadata (`tax_id`, `vat_number`, `domain`). ' +
      'Customers that were merged are one. At most 1,000.',
    responses: {
      200: {
        description: 'The groups.',
        schema,
        example: { duplicates: [{ same: 'crm', value: '001', customers: ['acme', 'acme-old'] }] },
      },
    },
    async handle() {
      const found = await duplicatesOf(queries)
      const duplicates = []
      for (const one of found) {
        const standing = new Set(await Promise.all(one.customers.map(id => merged.standingFor(id))))
        if (standing.size > 1) duplicates.push(one)
      }
      return { status: 200, body: { duplicates } }
    },
  }
}
