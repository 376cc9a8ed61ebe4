// The routes that show how the checks of customers stand, and what they hold back.

import type { ClickHouseClient } from '@clickhouse/client'
import { z } from 'zod'
import { customerToken } from '../../schemas/identifiers.js'
import { gates as allGates } from '../../schemas/lifecycle/gates.js'
import { formatInstant } from '../../schemas/time.js'
import type { WatchedKeys } from '../broker/watched-keys.js'
import type { StatusGates } from '../deliver/status-gates.js'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, type ApiTag, needs, readQuery } from '../gateway/route.js'
import { foldedStatuses } from './fold.js'
import { type GatesSettings, heldActs } from './settings.js'
import { statusKey } from './status-store.js'
import { type CustomerStatuses, heldBy, standingOf, type ToldStatus } from './statuses.js'

const gatesTag: ApiTag = {
  name: 'Gates',
  description: 'How the checks of customers stand (KYC, KYB, AML, VAT), and what they hold back.',
}

export interface RouteParts {
  readonly statuses: WatchedKeys<CustomerStatuses>
  readonly settings: GatesSettings
  readonly gates: Pick<StatusGates, 'notActivated'>
  readonly clickhouse: ClickHouseClient
  readonly nowMs: () => number
}

const gate = z.enum(allGates)
const standingSchema = z.object({
  gate,
  status: z
    .enum([...foldedStatuses, 'unknown', 'no_answer'])
    .describe('Folded; `unknown`: no word that Weir knows'),
  word: z.string().describe('As it was told'),
  since: z.string(),
  until: z.string().nullable(),
  reason: z.string(),
  reference: z.string(),
})
const heldSchema = z.object({
  act: z.enum(heldActs),
  rule: z.string(),
  gate,
  connections: z.array(z.string()).nullable().describe('Null: at all'),
  entities: z.array(z.string()).nullable().describe('Null: of all'),
  reason: z.string(),
  since: z.string().nullable(),
  next: z.string().describe('What ends it'),
})
const customerSchema = z
  .object({ customer_id: z.string(), gates: z.array(standingSchema), holds: z.array(heldSchema) })
  .meta({ id: 'CustomerGates' })
export type CustomerGatesView = z.infer<typeof customerSchema>
const oneSchema = customerSchema.extend({
  history: z.array(
    z.object({
      gate,
      status: z.string(),
      at: z.string(),
      until: z.string().nullable(),
      source: z.string(),
      id: z.string(),
      reason: z.string(),
      reference: z.string(),
    }),
  ),
  not_activated: z
    .array(z.object({ subscription_id: z.string().nullable(), reason: z.string(), since: z.string() }))
    .describe('Subscriptions that billing runs leave out; null: all'),
  held_deliveries: z.array(z.object({ connection: z.string(), records: z.int(), since: z.string() })),
})
export type OneCustomerView = z.infer<typeof oneSchema>

const since = '2026-11-01T00:00:00.000Z'
const example: CustomerGatesView = {
  customer_id: 'acme',
  gates: [
    {
      gate: 'kyc',
      status: 'in_review',
      word: 'manual_review',
      since,
      until: null,
      reason: '',
      reference: 'chk_1',
    },
  ],
  holds: [
    {
      ...{ act: 'payout', rule: 'kyc_payouts', gate: 'kyc', connections: null, entities: null, since },
      reason: `kyc of acme is in_review (manual_review) since ${since} (rule kyc_payouts)`,
      next: 'It goes on by itself when kyc is approved: weir.customer.status_changed.',
    },
  ],
}
const listQuery = z.strictObject({
  gate: gate.optional().describe('Only customers with a status in this gate'),
  status: z
    .enum([...foldedStatuses, 'unknown'])
    .optional()
    .describe('Only those of which a gate stands so'),
  held: z.enum(['true', 'false']).optional().describe('`true`: only those of which something is held'),
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Customers in a page'),
})

export function gateRoutes(parts: RouteParts): readonly ApiRoute[] {
  return [listRoute(parts), showRoute(parts)]
}

function listRoute(parts: RouteParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/gates',
    access: needs('read'),
    operationId: 'listGates',
    tag: gatesTag,
    summary: 'How the checks of customers stand',
    description:
      'Customers of whom a status was told, by id, a page at a time: ask again with `after` set to `next_after` until that is ' +
      'null. `holds` says what is held of each, why, since when, and what ends it.',
    query: listQuery,
    responses: {
      200: {
        description: 'A page of customers.',
        schema: z.object({ customers: z.array(customerSchema), next_after: z.string().nullable() }),
        example: { customers: [example], next_after: null },
      },
    },
    async handle(call) {
      const { after = '', limit, ...filter } = readQuery(call, listQuery)
      const nowMs = parts.nowMs()
      const customers: CustomerGatesView[] = []
      const inOrder = [...parts.statuses.values()].sort((a, b) => (a.customer_id < b.customer_id ? -1 : 1))
      for (const one of inOrder) {
        if (one.customer_id <= after) continue
        const view = viewOf(one, parts.settings, nowMs)
        if (fits(view, filter)) customers.push(view)
        if (customers.length > limit) break
      }
      const page = customers.slice(0, limit)
      const next_after = customers.length > limit ? page.at(-1)!.customer_id : null
      return { status: 200, body: { customers: page, next_after } }
    },
  }
}

function showRoute(parts: RouteParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/gates/{customer}',
    access: needs('read'),
    operationId: 'getGates',
    tag: gatesTag,
    summary: 'The checks of one customer',
    description:
      'With every status that was told, the subscriptions that are not activated, and the records that wait.',
    params: z.object({
      customer: z
        .string()
        .describe('A customer_id')
        .meta({ examples: ['acme'] }),
    }),
    responses: {
      200: {
        description: 'The customer.',
        schema: oneSchema,
        example: { ...example, history: [], not_activated: [], held_deliveries: [] },
      },
    },
    async handle(call) {
      const customerId = call.params['customer'] ?? ''
      const told = parts.statuses.get(statusKey(customerToken(customerId)))?.statuses ?? []
      const view = viewOf({ customer_id: customerId, statuses: [...told] }, parts.settings, parts.nowMs())
      if (told.length === 0 && view.holds.length === 0)
        throw new Problem('not_found', `No status of ${customerId} was told.`)
      const notActivated = (await parts.gates.notActivated())
        .filter(({ customer_id }) => customer_id === customerId)
        .map(({ customer_id: _, ...one }) => one)
      const body = {
        ...view,
        history: told.map(historyOf),
        not_activated: notActivated,
        held_deliveries: await heldDeliveries(parts.clickhouse, customerId),
      }
      return { status: 200, body }
    },
    problems: ['not_found'],
  }
}

function viewOf(
  { customer_id, statuses }: CustomerStatuses,
  settings: GatesSettings,
  nowMs: number,
): CustomerGatesView {
  const standings = allGates.flatMap(one => standingOf(statuses, one, settings.words, nowMs) ?? [])
  const holds = heldBy(customer_id, statuses, settings, nowMs).map(one => ({
    ...one,
    connections: one.connections === null ? null : [...one.connections],
    entities: one.entities === null ? null : [...one.entities],
  }))
  return { customer_id, gates: standings, holds }
}

function fits(
  { gates: standings, holds }: CustomerGatesView,
  { gate: asked, status, held }: Pick<z.output<typeof listQuery>, 'gate' | 'status' | 'held'>,
): boolean {
  const ofGate = standings.filter(one => asked === undefined || one.gate === asked)
  return (
    ofGate.some(one => status === undefined || one.status === status) &&
    (held === undefined || holds.length > 0 === (held === 'true'))
  )
}

function historyOf({ at, until, ...rest }: ToldStatus) {
  return {
    ...rest,
    at: formatInstant(BigInt(at)),
    until: until === null ? null : formatInstant(BigInt(until)),
  }
}

async function heldDeliveries(clickhouse: ClickHouseClient, customerId: string) {
  const query = `SELECT toString(connection) AS connection, toInt32(count()) AS records,
      formatDateTime(min(at), '%Y-%m-%dT%H:%i:%SZ', 'UTC') AS since
    FROM (SELECT connection, argMax(d.state, d.stream_sequence) AS state, argMax(d.code, d.stream_sequence) AS code,
        max(d.changed_at) AS at FROM deliveries AS d WHERE customer_id = {customerId: String} GROUP BY connection, delivery_id)
    WHERE state = 'held' AND code = 'held_by_gate' GROUP BY connection ORDER BY connection`
  const answer = await clickhouse.query({ query, query_params: { customerId }, format: 'JSONEachRow' })
  return answer.json<{ readonly connection: string; readonly records: number; readonly since: string }>()
}
