// The routes that show deliveries: the list, and one with its history.

import { z } from 'zod'
import { recordedPosition } from '../deliver/delivered.js'
import { isDiscarded } from '../deliver/refused-records.js'
import type { FeatureParts } from '../feature/feature.js'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, type ApiTag, needs, readQuery } from '../gateway/route.js'
import { filterShape } from './delivery-filter.js'
import {
  behindSchema,
  type DeliveryView,
  deliveryExample,
  deliverySchema,
  discardedNext,
  nextOf,
  oneDeliverySchema,
} from './delivery-view.js'
import { cursorOf, parseCursor, readDeliveries, readHistory } from './read-deliveries.js'

export const deliveriesTag: ApiTag = {
  name: 'Deliveries',
  description: 'What became of each record at each connection.',
}

export type ListParts = Pick<FeatureParts, 'queries' | 'feeds' | 'jsm' | 'buckets'>

const listQuery = z.strictObject({
  ...filterShape,
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('Deliveries in a page'),
})

const listSchema = z.object({
  deliveries: z.array(deliverySchema),
  next_after: z.string().nullable().describe('Null: there is no more for now'),
  behind: behindSchema,
})

export const idParams = z.object({
  id: z
    .string()
    .describe('A delivery_id')
    .meta({ examples: [deliveryExample.delivery_id] }),
})

export function listRoutes(parts: ListParts): readonly ApiRoute[] {
  return [listRoute(parts), showRoute(parts)]
}

function listRoute(parts: ListParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/deliveries',
    access: needs('read'),
    operationId: 'listDeliveries',
    tag: deliveriesTag,
    summary: 'What became of the records of connections',
    description:
      'In the order in which they began, a page at a time: ask again with `after` set to `next_after`. Every key of the ' +
      'filter may be given several times, for one of several values.',
    query: listQuery,
    responses: {
      200: {
        description: 'A page of deliveries.',
        schema: listSchema,
        example: { deliveries: [deliveryExample], next_after: null, behind: 0 },
      },
    },
    async handle(call) {
      const { after, limit, ...filter } = readQuery(call, listQuery)
      const position = after === undefined ? undefined : parseCursor(after)
      if (after !== undefined && position === undefined) {
        const detail = '`after` is no cursor of this list.'
        const errors = [{ pointer: '?after', code: 'invalid_request', detail }]
        throw new Problem('invalid_request', detail, { errors })
      }
      const behind = await behindOf(parts)
      const { deliveries, next } = await readDeliveries(parts.queries, filter, limit, position)
      const next_after = next === undefined ? null : cursorOf(next)
      return { status: 200, body: { deliveries, next_after, behind } }
    },
  }
}

function showRoute(parts: ListParts): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/deliveries/{id}',
    access: needs('read'),
    operationId: 'getDelivery',
    tag: deliveriesTag,
    summary: 'One delivery with its history',
    description: 'Each change with the code and the words of the last answer by then.',
    params: idParams,
    responses: {
      200: {
        description: 'The delivery.',
        schema: oneDeliverySchema,
        example: { ...deliveryExample, history: [], next: nextOf(deliveryExample), behind: 0 },
      },
    },
    problems: ['not_found'],
    async handle(call) {
      const behind = await behindOf(parts)
      const one = await oneDelivery(parts, call.params['id'] ?? '')
      const history = await readHistory(parts.queries, one.delivery_id)
      const { state, connection, delivery_id: id } = one
      const isOver =
        state === 'refused' && (await isDiscarded(parts.buckets.sinks, `connection.${connection}`, id))
      const next = isOver ? discardedNext : nextOf(one)
      return { status: 200, body: { ...one, history, next, behind } }
    },
  }
}

export async function oneDelivery(parts: ListParts, id: string): Promise<DeliveryView> {
  const [one] = (await readDeliveries(parts.queries, { id: [id] }, 1)).deliveries
  if (one !== undefined) return one
  const behind = await behindOf(parts)
  const late = behind === 0 ? '' : ` ClickHouse is ${behind} messages behind: it may come.`
  throw new Problem('not_found', `There is no such delivery.${late}`)
}

/** Messages of DELIVERIES that ClickHouse has yet to get. */
export async function behindOf({ feeds, jsm, buckets }: ListParts): Promise<number> {
  const feed = feeds.find(({ stream }) => stream === 'DELIVERIES')
  if (feed === undefined) return 0
  const { state } = await jsm.streams.info('DELIVERIES')
  return Math.max(0, state.last_seq - (await recordedPosition(buckets.sinks, feed.key)))
}
