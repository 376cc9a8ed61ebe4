// The filter of exceptions as options of a command. Loads nothing but commander.

import type { Command } from 'commander'

export interface FilterOptions {
  readonly id?: readonly string[]
  readonly kind?: readonly string[]
  readonly code?: readonly string[]
  readonly type?: readonly string[]
  readonly meter?: readonly string[]
  readonly field?: readonly string[]
  readonly customer?: readonly string[]
  readonly receiver?: readonly string[]
  readonly source?: readonly string[]
  readonly owner?: readonly string[]
  readonly group?: readonly string[]
  readonly job?: readonly string[]
  readonly from?: string
  readonly until?: string
  readonly eventFrom?: string
  readonly eventUntil?: string
}

const lists = [
  ['id', 'exceptions by their ids'],
  ['kind', 'dead_letter, parked, unmetered, refused_record, refused_delivery, waiting_arrival'],
  ['code', 'why it failed'],
  ['type', 'event types'],
  ['meter', 'the meter that reads the value'],
  ['field', 'JSON pointers of the refused value, such as /data/tokens'],
  ['customer', 'customer ids'],
  ['receiver', 'feeds and connections'],
  ['source', 'sources of events'],
  ['owner', 'whose they are'],
  ['group', 'keys of groups, as ls shows them'],
  ['job', 'jobs that redrove them'],
] as const

const instants = [
  ['from', 'that failed at or after this instant (RFC 3339)'],
  ['until', 'that failed before this instant'],
  ['event-from', 'whose event happened at or after this instant'],
  ['event-until', 'whose event happened before this instant'],
] as const

/** Each list takes one value or several. Commands for events refused have no `--kind`. */
export function withFilter(command: Command, of: 'exceptions' | 'dead_letters' = 'exceptions'): Command {
  for (const [name, about] of lists)
    if (of === 'exceptions' || name !== 'kind') command.option(`--${name} <values...>`, about)
  for (const [name, about] of instants) command.option(`--${name} <instant>`, about)
  return command
}

/** The filter of the API; keys that were not given are left out. */
export function filterOfOptions(options: FilterOptions): Record<string, string | readonly string[]> {
  const filter: Record<string, string | readonly string[]> = {}
  for (const [name] of lists) {
    const values = options[name]
    if (values !== undefined) filter[name] = values
  }
  const { from, until, eventFrom, eventUntil } = options
  if (from !== undefined) filter['from'] = from
  if (until !== undefined) filter['until'] = until
  if (eventFrom !== undefined) filter['event_from'] = eventFrom
  if (eventUntil !== undefined) filter['event_until'] = eventUntil
  return filter
}
