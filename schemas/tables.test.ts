// The names of columns: one thing has one name in all tables, and one name means one thing.

import { expect, test } from 'vitest'
import { sequenceColumn, type TableDescription } from './table-description.js'
import { tables } from './tables.js'

/** What is called otherwise: the name in the left column may not stand in any table. */
const otherNames: Readonly<Record<string, string>> = {
  source: 'event_source',
  id: 'event_id',
  type: 'event_type',
  time: 'event_time',
  occurred_at: 'event_time',
  arrived_at: 'ingested_at',
  failed_at: 'recorded_at',
  created_at: 'recorded_at',
  customer: 'customer_id',
  subscription: 'subscription_id',
  entity: 'entity_id',
  version: 'subscription_version or plan_version',
  commit: 'ledger_sequence',
  seq: 'ledger_sequence or stream_sequence',
}

const namesOf = (table: TableDescription<unknown>): readonly string[] => table.columns.map(({ name }) => name)

test('no table has a name of its own for what the others call otherwise', () => {
  const strange = tables.flatMap(table =>
    namesOf(table).flatMap(name =>
      name in otherNames ? [`${table.name}.${name}: ${otherNames[name]}`] : [],
    ),
  )
  expect(strange).toEqual([])
})

test('a name has one kind of value in every table that has it', () => {
  const kinds = new Map<string, Set<string>>()
  for (const { columns } of tables) {
    for (const { name, kind } of columns) {
      const plain = kind.replace('nullable_', '').replace('low_cardinality', 'string')
      kinds.set(name, (kinds.get(name) ?? new Set()).add(plain))
    }
  }
  expect([...kinds].filter(([, found]) => found.size > 1)).toEqual([])
})

test('a row says which commit of which partition it is from, or which message of its stream', () => {
  for (const table of tables) {
    const names = namesOf(table)
    expect([names.includes('partition'), names.includes('stream_sequence')], table.name).toEqual(
      sequenceColumn(table) === 'ledger_sequence' ? [true, false] : [false, true],
    )
    expect(names).toContain(sequenceColumn(table))
  }
})

test('an event is named by its source together with its id, and both stand beside each other', () => {
  for (const table of tables) {
    const names = namesOf(table)
    expect(names.indexOf('event_id'), table.name).toBe(
      names.includes('event_source') ? names.indexOf('event_source') + 1 : -1,
    )
  }
})
