// The routes that show exceptions: the list and one of it. Dead letters are the same list of events alone.

import { z } from 'zod'
import { Problem } from '../gateway/problem.js'
import {
  type ApiCall,
  type ApiReply,
  type ApiRoute,
  type ApiTag,
  needs,
  readQuery,
} from '../gateway/route.js'
import type { ExceptionDesk } from './exception-desk.js'
import { type ExceptionFilter, filterShape, parseFilter } from './exception-filter.js'
import { exceptionExample, exceptionSchema, exceptionView } from './exception-view.js'
import type { GroupRule } from './group-rules.js'
import { cursorOf, type Exception, type Position, parseCursor, positionOf } from './read-exceptions.js'

export const exceptionsTag: ApiTag = {
  name: 'Exceptions',
  description: 'What failed and waits for somebody: dead letters, refused records and deliveries.',
}

const maxPage = 1_000
const listQuery = z.strictObject({
  ...filterShape,
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(maxPage).default(100),
})
const listSchema = z.object({
  exceptions: z.array(exceptionSchema),
  next_after: z.string().nullable().describe('Null: there is no more for now'),
})
const idParams = z.object({
  id: z
    .string()
    .describe('An exception_id')
    .meta({ examples: [exceptionExample.exception_id] }),
})

export function listRoutes(desk: ExceptionDesk, nowMs: () => number): readonly ApiRoute[] {
  return [listRoute(desk, nowMs), showRoute(desk, nowMs)]
}

function listRoute(desk: ExceptionDesk, nowMs: () => number): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/exceptions',
    access: needs('read'),
    operationId: 'listExceptions',
    tag: exceptionsTag,
    summary: 'What failed and waits for somebody',
    description:
      'Open exceptions unless `state` says otherwise, the oldest first, a page at a time: ask again with `after` set to ' +
      '`next_after`. Every key of the filter may be given several times, for one of several values.',
    query: listQuery,
    responses: {
      200: {
        description: 'A page of exceptions.',
        schema: listSchema,
        example: { exceptions: [exceptionExample], next_after: null },
      },
    },
    async handle(call: ApiCall): Promise<ApiReply> {
      const { after, limit, ...wire } = readQuery(call, listQuery)
      const filter = filterOf(wire, desk.rules.groups, '?')
      const page = await desk.page({ filter, after: positionIn(after), limit })
      return {
        status: 200,
        body: {
          exceptions: page.map(one => exceptionView(one, nowMs())),
          next_after: nextAfter(page, limit),
        },
      }
    },
  }
}

function showRoute(desk: ExceptionDesk, nowMs: () => number): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/exceptions/{id}',
    access: needs('read'),
    operationId: 'getException',
    tag: exceptionsTag,
    summary: 'One exception',
    description: 'In whatever state it is.',
    params: idParams,
    responses: {
      200: { description: 'The exception.', schema: exceptionSchema, example: exceptionExample },
    },
    problems: ['not_found'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const exception = await desk.one(call.params['id'] ?? '')
      if (exception === undefined) throw new Problem('not_found', 'There is no such exception.')
      return { status: 200, body: exceptionView(exception, nowMs()) }
    },
  }
}

/** The filter of a request, or a `Problem` that names each fault. */
export function filterOf(wire: unknown, rules: readonly GroupRule[], root: '' | '?'): ExceptionFilter {
  const parsed = parseFilter(wire, rules)
  if (parsed.kind === 'ok') return parsed.filter
  const errors = parsed.errors.map(error => ({
    ...error,
    pointer: root === '?' ? `?${error.pointer.slice(1).replaceAll('/', '.')}` : error.pointer,
  }))
  throw new Problem('invalid_request', errors[0]?.detail ?? 'The filter is not valid.', { errors })
}

function positionIn(after: string | undefined): Position | undefined {
  if (after === undefined) return undefined
  const position = parseCursor(after)
  if (position !== undefined) return position
  const detail = '`after` is no cursor of this list.'
  throw new Problem('invalid_request', detail, {
    errors: [{ pointer: '?after', code: 'invalid_request', detail }],
  })
}

function nextAfter(page: readonly Exception[], limit: number): string | null {
  const last = page.at(-1)
  return last === undefined || page.length < limit ? null : cursorOf(positionOf(last))
}
