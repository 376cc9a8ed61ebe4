// Which exceptions are meant: the filter as data, its parser, and what it says in ClickHouse's words. The list, the
// groups, discarding and redriving all use this one. Contract section 10.
// Invariants:
// 1. Values of one key are alternatives, keys are all to hold; a filter without keys means every exception.
// 2. Nothing of a filter stands in the text of a query: values are parameters.

import { z } from 'zod'
import { exceptionKinds, exceptionStates } from '../../schemas/exception-kinds.js'
import { issueWords } from '../../schemas/issue-words.js'
import { instantFault, instantFaultText, parseInstant } from '../../schemas/time.js'
import {
  type GroupColumn,
  type GroupKey,
  type GroupRule,
  parseGroupKey,
  shippedRules,
} from './group-rules.js'
import type { QueryParameters } from './query-parameters.js'

/** Values of one key; more are a sign that a wider key is meant. */
const maxValues = 1_000
const maxLength = 1_024

const text = z.string().min(1).max(maxLength)
const instant = (description: string) =>
  z
    .string()
    .refine(value => parseInstant(value) !== undefined, {
      error: ({ input }) => `The instant ${instantFaultText(instantFault(String(input)))}.`,
    })
    .optional()
    .meta({ format: 'date-time', description })
const pointer = z.string().max(maxLength).regex(/^\//)

/** One value or several. */
function oneOrMore<T extends z.ZodType<string>>(one: T, what = `is a text or up to ${maxValues} of them`) {
  return z
    .union([one.transform(value => [value]), z.array(one).min(1).max(maxValues)], `It ${what}.`)
    .optional()
    .meta({ description: 'One value or several' })
}

export const filterShape = {
  id: oneOrMore(text),
  kind: oneOrMore(z.enum(exceptionKinds), `is one or several of ${exceptionKinds.join(', ')}`),
  code: oneOrMore(text),
  /** Event types. */
  type: oneOrMore(text),
  meter: oneOrMore(text),
  /** JSON pointers of the value that was refused. */
  field: oneOrMore(pointer, 'is a JSON pointer into the event, such as /data/tokens, or several'),
  customer: oneOrMore(text),
  /** Feeds and connections. */
  receiver: oneOrMore(text),
  /** Sources of events. */
  source: oneOrMore(text),
  owner: oneOrMore(text),
  /** Keys of groups, as the list of groups shows them. */
  group: oneOrMore(text),
  /** Jobs that redrove it. */
  job: oneOrMore(text),
  /** Default: open. */
  state: oneOrMore(z.enum(exceptionStates), `is one or several of ${exceptionStates.join(', ')}`),
  from: instant('It last failed at or after'),
  until: instant('It last failed before'),
  event_from: instant('The event happened, by its own time, at or after'),
  event_until: instant('The event happened, by its own time, before'),
}

export const filterSchema = z.strictObject(filterShape).meta({ id: 'ExceptionFilter' })

/** As it is sent and kept in a job. */
export type FilterWire = z.input<typeof filterSchema>

export interface ExceptionFilter extends Omit<z.output<typeof filterSchema>, 'group'> {
  readonly group?: readonly GroupKey[] | undefined
}

export type ParsedFilter =
  | { readonly kind: 'ok'; readonly filter: ExceptionFilter }
  | { readonly kind: 'refused'; readonly errors: readonly FilterError[] }

export interface FilterError {
  /** Of the key of the filter. */
  readonly pointer: string
  readonly code: 'invalid_filter' | 'unknown_group'
  readonly detail: string
}

/** Reads a filter that came from outside; every fault is told, with its place. */
export function parseFilter(value: unknown, rules: readonly GroupRule[] = shippedRules): ParsedFilter {
  const parsed = filterSchema.safeParse(value)
  if (!parsed.success) return { kind: 'refused', errors: parsed.error.issues.flatMap(errorsOf) }
  const { group, ...rest } = parsed.data
  if (group === undefined) return { kind: 'ok', filter: rest }
  const keys: GroupKey[] = []
  const errors: FilterError[] = []
  for (const [index, key] of group.entries()) {
    const read = parseGroupKey(key, rules)
    if (read.kind === 'ok') keys.push(read.key)
    else errors.push({ pointer: `/group/${index}`, code: 'unknown_group', detail: read.detail })
  }
  return errors.length > 0 ? { kind: 'refused', errors } : { kind: 'ok', filter: { ...rest, group: keys } }
}

function errorsOf(issue: z.core.$ZodIssue): FilterError[] {
  const code = 'invalid_filter'
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map(key => ({
      pointer: `/${key}`,
      code,
      detail: `A filter has no key ${key}; it has ${Object.keys(filterShape).join(', ')}.`,
    }))
  return [{ pointer: `/${issue.path.join('/')}`, code, detail: issueWords(issue) }]
}

/** The column of exceptions-sql.ts by what a rule or a filter calls it. */
export const columnOf: Readonly<Record<GroupColumn, string>> = {
  kind: 'kind',
  code: 'code',
  type: 'event_type',
  meter: 'meter',
  field: 'pointer',
  meter_or_field: 'meter_or_field',
  receiver: 'receiver',
  source: 'event_source',
  customer: 'customer_id',
  owner: 'owner',
}

/** What rules and filters both can ask of an exception. */
export type ExceptionMatch = {
  readonly [K in 'kind' | 'code' | 'type' | 'meter' | 'field' | 'customer' | 'receiver' | 'source']?:
    | readonly string[]
    | undefined
}

/** The conditions that the match puts on a row of the exceptions; none: it takes every row. */
export function conditionsOfMatch(match: ExceptionMatch, parameters: QueryParameters): string[] {
  const { kind, code, type, meter, field, customer, receiver, source } = match
  return [
    ...isOneOf('kind', kind, parameters),
    ...isOneOf('code', code, parameters),
    ...isOneOf('event_type', type, parameters),
    ...isOneOf('meter', meter, parameters),
    ...isOneOf('pointer', field, parameters),
    ...isOneOf('customer_id', customer, parameters),
    ...isOneOf('receiver', receiver, parameters),
    ...isOneOf('event_source', source, parameters),
  ]
}

/** The condition that the filter puts on a row of the exceptions. Without `state`, `id` and `job` it means open ones. */
export function conditionOf(filter: ExceptionFilter, parameters: QueryParameters): string {
  const { id, owner, job, state, group } = filter
  const states = state ?? (id === undefined && job === undefined ? ['open'] : undefined)
  const conditions = [
    ...conditionsOfMatch(filter, parameters),
    ...isOneOf('exception_id', id, parameters),
    ...isOneOf('owner', owner, parameters),
    ...isOneOf('job_id', job, parameters),
    ...isOneOf('state', states, parameters),
    ...bound('last_at', '>=', filter.from, parameters),
    ...bound('last_at', '<', filter.until, parameters),
    ...bound('event_time', '>=', filter.event_from, parameters),
    ...bound('event_time', '<', filter.event_until, parameters),
    ...(group === undefined ? [] : [`(${group.map(key => conditionOfGroup(key, parameters)).join(' OR ')})`]),
  ]
  return conditions.length === 0 ? '1' : conditions.join(' AND ')
}

function isOneOf(
  column: string,
  values: readonly string[] | undefined,
  parameters: QueryParameters,
): string[] {
  return values === undefined ? [] : [`has(${parameters.add('Array(String)', values)}, ${column})`]
}

function bound(
  column: string,
  comparison: '>=' | '<',
  value: string | undefined,
  parameters: QueryParameters,
): string[] {
  const ns = value === undefined ? undefined : parseInstant(value)
  if (ns === undefined) return []
  return [`${column} ${comparison} fromUnixTimestamp64Nano(${parameters.add('Int64', String(ns))}, 'UTC')`]
}

function conditionOfGroup({ rule, values }: GroupKey, parameters: QueryParameters): string {
  const all = rule.by.map((column, index) => {
    return `${columnOf[column]} = ${parameters.add('String', values[index] ?? '')}`
  })
  return `(${all.join(' AND ')})`
}
