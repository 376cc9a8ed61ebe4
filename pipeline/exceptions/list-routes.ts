// The routes that show exceptions: the list, its groups, one of them, and the rules. Dead letters are the same list of
// events alone.

import { z } from 'zod'
import { formatInstantMs } from '../../schemas/time.js'
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
import { ageBuckets, type ExceptionGroup } from './exception-groups.js'
import { exceptionExample, exceptionSchema, exceptionView } from './exception-view.js'
import { type GroupRule, groupColumns, groupKeyText, namesOf } from './group-rules.js'
import { MoneySums, moneySchema } from './money/money-sums.js'
import { cursorOf, type Exception, type Position, parseCursor, positionOf } from './read-exceptions.js'

export const exceptionsTag: ApiTag = {
  name: 'Exceptions',
  description:
    'What failed and waits for somebody: dead letters, parked and unmetered events, refused records and deliveries.',
}

const maxPage = 1_000
const listQuery = z.strictObject({
  ...filterShape,
  group_by: z.string().optional().describe('The name of a group rule: groups instead of single exceptions'),
  after: z.string().optional().describe('`next_after` of the page before'),
  limit: z.coerce.number().int().min(1).max(maxPage).default(100).describe('Exceptions in a page'),
})
const { kind: _kind, ...shapeOfDeadLetters } = listQuery.shape
const deadLettersQuery = z.strictObject(shapeOfDeadLetters)

const groupSchema = z
  .object({
    group: z.string().describe('Its key: give it as `group` of a filter'),
    by: z.record(z.string(), z.string()).describe('The values that its exceptions have in common'),
    count: z.int(),
    customers: z.int(),
    owners: z.array(z.string()),
    first_at: z.iso.datetime(),
    last_at: z.iso.datetime(),
    ageing: z.object(Object.fromEntries(ageBuckets.map(bucket => [bucket, z.int()]))),
    money: moneySchema,
  })
  .meta({ id: 'ExceptionGroup' })
const ruleSchema = z.object({ rule: z.string(), version: z.int(), by: z.array(z.enum(groupColumns)) })
const listSchema = z.object({
  exceptions: z.array(exceptionSchema),
  next_after: z.string().nullable().describe('Null: there is no more for now'),
})
const groupsSchema = z.object({ rule: ruleSchema, groups: z.array(groupSchema) })
const rulesSchema = z.object({
  group_rules: z.array(ruleSchema),
  owner_rules: z
    .array(z.object({ when: z.record(z.string(), z.array(z.string())), owner: z.string() }))
    .describe('The first that fits wins'),
})
const idParams = z.object({
  id: z
    .string()
    .describe('An exception_id')
    .meta({ examples: [exceptionExample.exception_id] }),
})
const listResponse = {
  description: 'A page of exceptions, or with `group_by` their groups, the largest first.',
  schema: z.union([listSchema, groupsSchema]),
  example: { exceptions: [exceptionExample], next_after: null },
}

export function listRoutes(desk: ExceptionDesk, nowMs: () => number): readonly ApiRoute[] {
  return [
    listRoute(desk, nowMs),
    rulesRoute(desk),
    showRoute(desk, nowMs, '/v1/exceptions/{id}', 'getException'),
    deadLettersRoute(desk, nowMs),
    showRoute(desk, nowMs, '/v1/dead-letters/{id}', 'getDeadLetter'),
  ]
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
      '`next_after`. Every key of the filter may be given several times, for one of several values. Money at stake is ' +
      'what an event would owe under the nearest terms, or is not known.',
    query: listQuery,
    responses: { 200: listResponse },
    handle: call => answerList(desk, nowMs(), readQuery(call, listQuery)),
  }
}

function deadLettersRoute(desk: ExceptionDesk, nowMs: () => number): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/dead-letters',
    access: needs('read'),
    operationId: 'listDeadLetters',
    tag: exceptionsTag,
    summary: 'Events that could not be taken',
    description: 'The exceptions of kind `dead_letter`, with the same filter and the same groups.',
    query: deadLettersQuery,
    responses: { 200: listResponse },
    handle: call =>
      answerList(desk, nowMs(), { ...readQuery(call, deadLettersQuery), kind: ['dead_letter'] }),
  }
}

async function answerList(
  desk: ExceptionDesk,
  nowMs: number,
  query: z.output<typeof listQuery>,
): Promise<ApiReply> {
  const { after, limit, group_by, ...wire } = query
  const filter = filterOf(wire, desk.rules.groups, '?')
  if (group_by !== undefined) return answerGroups(desk, nowMs, filter, ruleOf(group_by, desk.rules.groups))
  const page = await desk.page({ filter, after: positionIn(after), limit, withPayload: true })
  const stakes = await desk.atStake(page)
  const exceptions = page.map((one, index) => exceptionView(one, stakes[index]!, nowMs))
  return { status: 200, body: { exceptions, next_after: nextAfter(page, limit) } }
}

async function answerGroups(
  desk: ExceptionDesk,
  nowMs: number,
  filter: ExceptionFilter,
  rule: GroupRule,
): Promise<ApiReply> {
  const [groups, money] = await Promise.all([
    desk.groups(filter, rule, nowMs),
    desk.moneyByGroup(filter, rule),
  ])
  return { status: 200, body: { rule, groups: groups.map(group => groupView(group, rule, money)) } }
}

function groupView(group: ExceptionGroup, rule: GroupRule, money: ReadonlyMap<string, MoneySums>) {
  const { values, count, customers, owners, firstAtMs, lastAtMs, ageing } = group
  const key = groupKeyText({ rule, values })
  return {
    group: key,
    by: Object.fromEntries(rule.by.map((column, index) => [column, values[index] ?? ''])),
    count,
    customers,
    owners,
    first_at: formatInstantMs(firstAtMs),
    last_at: formatInstantMs(lastAtMs),
    ageing,
    money: (money.get(key) ?? new MoneySums()).view(count),
  }
}

function rulesRoute(desk: ExceptionDesk): ApiRoute {
  return {
    method: 'GET',
    path: '/v1/exceptions/rules',
    access: needs('read'),
    operationId: 'getExceptionRules',
    tag: exceptionsTag,
    summary: 'How exceptions are grouped, and whose they are',
    description: 'Rules of the configuration stand before those that ship.',
    responses: {
      200: {
        description: 'The rules.',
        schema: rulesSchema,
        example: {
          group_rules: [{ rule: 'code', version: 1, by: ['code'] }],
          owner_rules: [{ when: { kind: ['refused_delivery'] }, owner: 'finance' }],
        },
      },
    },
    handle: async () => ({
      status: 200,
      body: { group_rules: desk.rules.groups, owner_rules: desk.rules.owners },
    }),
  }
}

function showRoute(desk: ExceptionDesk, nowMs: () => number, path: string, operationId: string): ApiRoute {
  return {
    method: 'GET',
    path,
    access: needs('read'),
    operationId,
    tag: exceptionsTag,
    summary: operationId === 'getException' ? 'One exception' : 'One dead letter',
    description: 'In whatever state it is, with the event as it was sent where that can still be read.',
    params: idParams,
    responses: {
      200: { description: 'The exception.', schema: exceptionSchema, example: exceptionExample },
    },
    problems: ['not_found'],
    async handle(call: ApiCall): Promise<ApiReply> {
      const exception = await desk.one(call.params['id'] ?? '')
      if (exception === undefined) throw new Problem('not_found', 'There is no such exception.')
      const [[stake], [original]] = await Promise.all([
        desk.atStake([exception]),
        desk.originals([exception]),
      ])
      return { status: 200, body: exceptionView(exception, stake!, nowMs(), original) }
    },
  }
}

/** The filter of a request, or a `Problem` that names each fault. */
export function filterOf(
  wire: unknown,
  rules: readonly GroupRule[],
  root: '' | '?' | '/filter',
): ExceptionFilter {
  const parsed = parseFilter(wire, rules)
  if (parsed.kind === 'ok') return parsed.filter
  const errors = parsed.errors.map(error => ({
    ...error,
    pointer: root === '?' ? `?${error.pointer.slice(1).replaceAll('/', '.')}` : `${root}${error.pointer}`,
  }))
  throw new Problem('invalid_request', errors[0]?.detail ?? 'The filter is not valid.', { errors })
}

function ruleOf(name: string, rules: readonly GroupRule[]): GroupRule {
  const rule = rules.find(one => one.rule === name)
  return rule ?? refuseQuery('group_by', `There is no group rule ${name}; there are ${namesOf(rules)}.`)
}

function positionIn(after: string | undefined): Position | undefined {
  if (after === undefined) return undefined
  return parseCursor(after) ?? refuseQuery('after', '`after` is no cursor of this list.')
}

function refuseQuery(name: string, detail: string): never {
  const errors = [{ pointer: `?${name}`, code: 'invalid_request', detail }]
  throw new Problem('invalid_request', detail, { errors })
}

function nextAfter(page: readonly Exception[], limit: number): string | null {
  const last = page.at(-1)
  return last === undefined || page.length < limit ? null : cursorOf(positionOf(last))
}
