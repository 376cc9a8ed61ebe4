// The routes that discard exceptions and take a discard back.

import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { FeatureParts } from '../feature/feature.js'
import { type ApiCall, type ApiReply, type ApiRoute, jsonBody, needs, readJson } from '../gateway/route.js'
import { answerExceptions } from './answer-exceptions.js'
import type { ExceptionDesk } from './exception-desk.js'
import { filterSchema } from './exception-filter.js'
import { exceptionsTag, filterOf } from './list-routes.js'
import { moneySchema } from './money/money-sums.js'

const answerBody = z
  .strictObject({
    filter: filterSchema.omit({ state: true }).describe('Which exceptions; by `id` for single ones'),
    reason: z.string().trim().min(1).max(1_000).describe('Why; it is on the audit trail'),
    preview: z.boolean().optional().describe('Say what would be answered, and answer nothing'),
    expected_count: z
      .int()
      .min(0)
      .optional()
      .describe('How many there were when you looked: another number is refused'),
  })
  .meta({ id: 'ExceptionAnswer' })

const answeredSchema = z
  .object({
    preview: z.boolean(),
    count: z.int(),
    customers: z.int(),
    money: moneySchema,
    shown: z.boolean().describe('False: it is on disk, and the list shows it a little later'),
  })
  .meta({ id: 'ExceptionsAnswered' })

const bodyExample = {
  filter: { code: 'invalid_value', type: 'llm.request' },
  reason: 'A load test that reached production',
  preview: true,
}
const answeredExample = {
  preview: true,
  count: 12,
  customers: 1,
  money: { at_stake: [{ currency: 'EUR', amount: '0.36' }], known: 12, not_known: 0, not_counted: 0 },
  shown: true,
}

export function answerRoutes(
  parts: Pick<FeatureParts, 'js' | 'queries' | 'audit' | 'buckets'>,
  desk: ExceptionDesk,
  nowMs: () => number,
): readonly ApiRoute[] {
  const route = (resolution: 'discarded' | 'undone', words: RouteWords): ApiRoute => ({
    method: 'POST',
    audits:
      resolution === 'discarded'
        ? ['exception.discarded', 'exception.discard_refused']
        : ['exception.discard_undone'],
    access: needs('operate'),
    tag: exceptionsTag,
    body: jsonBody(answerBody, bodyExample),
    responses: {
      200: {
        description: 'What was answered, or would be.',
        schema: answeredSchema,
        example: answeredExample,
      },
    },
    problems: ['invalid_request', 'too_many_exceptions', 'exceptions_changed'],
    ...words,
    async handle(call: ApiCall): Promise<ApiReply> {
      const body = await readJson(call, answerBody)
      const request = {
        resolution,
        filter: filterOf(body.filter, desk.rules.groups, '/filter'),
        reason: body.reason,
        isPreview: body.preview ?? false,
        expectedCount: body.expected_count,
        caller: call.caller,
        id: randomUUID(),
      }
      const { isShown: shown, ...answered } = await answerExceptions(parts, desk, request, nowMs())
      return { status: 200, body: { preview: request.isPreview, ...answered, shown } }
    },
  })
  return [route('discarded', discardWords), route('undone', undoWords)]
}

type RouteWords = Pick<ApiRoute, 'path' | 'operationId' | 'summary' | 'description'>

const discardWords: RouteWords = {
  path: '/v1/exceptions/discard',
  operationId: 'discardExceptions',
  summary: 'Discard exceptions',
  description:
    'They are off the open list and still found with `state=discarded`; nothing is deleted, and totals stay as they are. What ' +
    'fails again after that is open again. At most 10,000 at once.',
}
const undoWords: RouteWords = {
  path: '/v1/exceptions/undo',
  operationId: 'undoDiscardOfExceptions',
  summary: 'Take a discard back',
  description: 'The exceptions are open again. At most 10,000 at once.',
}
