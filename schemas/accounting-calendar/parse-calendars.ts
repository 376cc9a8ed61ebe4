// Reads the accounting calendars from their YAML file, every fault with its line.
// Invariant: a calendar with a fault is no calendar: nothing is posted by half of it.

import { Temporal } from 'temporal-polyfill'
import { asMap, FieldReader } from '../catalog/catalog-reader.js'
import {
  type CatalogProblem,
  Problems,
  readSourceText,
  type ScalarNode,
  type SourceNode,
} from '../catalog/catalog-source.js'
import { isTimezone } from '../json/wire-fields.js'
import { nearestHint } from '../nearest-name.js'
import {
  type AccountingCalendars,
  type AccountingPeriod,
  type EntityCalendar,
  monthsInUtc,
} from './accounting-calendar.js'

export type ParsedCalendars =
  | { readonly kind: 'ok'; readonly calendars: AccountingCalendars }
  | { readonly kind: 'invalid'; readonly problems: readonly CatalogProblem[] }

export function parseCalendars(text: string, fileName: string): ParsedCalendars {
  const problems = new Problems(fileName)
  const root = readSourceText(text, problems)
  const map = root === undefined ? undefined : asMap(root, 'A file of accounting calendars', problems)
  const byEntity = new Map<string, EntityCalendar>()
  let others: EntityCalendar | undefined
  if (map !== undefined) {
    const reader = new FieldReader(map, problems)
    for (const node of reader.list('calendars', reader.requiredField('calendars')) ?? []) {
      const read = readCalendar(node, problems)
      if (read === undefined) continue
      const { entityId, calendar } = read
      const isTwice = entityId === undefined ? others !== undefined : byEntity.has(entityId)
      if (isTwice) {
        const whose =
          entityId === undefined ? 'The calendar of all other entities' : `A calendar of ${entityId}`
        problems.add(node, 'duplicate', `${whose} is there already.`)
      } else if (entityId === undefined) others = calendar
      else byEntity.set(entityId, calendar)
    }
    reader.refuseOthers('a file of accounting calendars')
  }
  if (problems.count > 0) return { kind: 'invalid', problems: problems.inOrder() }
  return { kind: 'ok', calendars: { byEntity, others: others ?? monthsInUtc } }
}

function readCalendar(
  node: SourceNode,
  problems: Problems,
): { readonly entityId: string | undefined; readonly calendar: EntityCalendar } | undefined {
  const map = asMap(node, 'A calendar', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const entityId = reader.text('entity_id')
  const timezone = reader.text('timezone') ?? 'UTC'
  if (!isTimezone(timezone))
    reader.fault(
      'timezone',
      'invalid_value',
      `${timezone} is not a time zone of the IANA database${nearestHint(timezone, timezones())}.`,
    )
  const periods = readPeriods(reader, problems)
  reader.refuseOthers('a calendar')
  return periods === undefined ? undefined : { entityId, calendar: { timezone, periods } }
}

function timezones(): string[] {
  return ['UTC', ...Intl.supportedValuesOf('timeZone')]
}

function readPeriods(reader: FieldReader, problems: Problems): EntityCalendar['periods'] | undefined {
  const node = reader.field('periods')
  if (node === undefined || (node.kind === 'scalar' && node.value === 'months')) return 'months'
  if (node.kind !== 'list' || node.items.length === 0) {
    return reader.fault('periods', 'wrong_type', 'The field periods is months, or a list of periods.')
  }
  const periods: AccountingPeriod[] = []
  for (const item of node.items) {
    const period = readPeriod(item, problems)
    if (period === undefined) continue
    const before = periods.at(-1)
    if (periods.some(({ name }) => name === period.name))
      problems.add(item, 'duplicate', `A period ${period.name} is there already.`)
    const next = before === undefined ? period.first : dayAfter(before.last)
    if (period.first !== next)
      problems.add(
        item,
        'gap',
        `${period.name} begins on ${period.first}; the one before it ends, so that the next day is ${next}.`,
      )
    if (period.last < period.first)
      problems.add(item, 'invalid_value', `${period.name} ends on ${period.last}, before it begins.`)
    periods.push(period)
  }
  return periods
}

function readPeriod(node: SourceNode, problems: Problems): AccountingPeriod | undefined {
  const map = asMap(node, 'A period', problems)
  if (map === undefined) return undefined
  const reader = new FieldReader(map, problems)
  const name = reader.requiredText('period')
  const first = readDay(reader, 'first')
  const last = readDay(reader, 'last')
  reader.refuseOthers('a period')
  return name === undefined || first === undefined || last === undefined ? undefined : { name, first, last }
}

function readDay(reader: FieldReader, name: string): string | undefined {
  const node = reader.requiredField(name)
  if (node === undefined) return undefined
  const text = node.kind === 'scalar' ? (node as ScalarNode).text : ''
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && isDay(text)) return text
  return reader.fault(name, 'invalid_value', `The field ${name} is a day such as 2026-01-25.`)
}

function isDay(text: string): boolean {
  try {
    Temporal.PlainDate.from(text)
    return true
  } catch {
    return false
  }
}

function dayAfter(day: string): string {
  return Temporal.PlainDate.from(day).add({ days: 1 }).toString()
}
