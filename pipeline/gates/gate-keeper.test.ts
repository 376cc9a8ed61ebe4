// Which records wait for the status of their customer, and which of them pay somebody.

import type { ClickHouseClient } from '@clickhouse/client'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { customerToken } from '../../schemas/identifiers.js'
import type { ConnectorRecord } from '../../sinks/connector.js'
import type { WatchedKeys } from '../broker/watched-keys.js'
import { GateKeeper } from './gate-keeper.js'
import { gatesSettings } from './settings.js'
import { statusKey } from './status-store.js'
import type { CustomerStatuses } from './statuses.js'

const rules = [
  { rule: 'books', gate: 'kyc', holds: ['delivery'], connections: ['books'], entities: ['de'] },
  { rule: 'payouts', gate: 'aml', holds: ['payout'] },
]

/** A keeper to which one status of acme was told. */
function keeperOf(gate: 'kyc' | 'aml', status: string): GateKeeper {
  const told = {
    ...{ gate, status, at: '1', until: null, source: 's', id: 'e', reason: '', reference: '' },
  }
  const statuses = new Map<string, CustomerStatuses>([
    [statusKey(customerToken('acme')), { customer_id: 'acme', statuses: [told] }],
  ])
  return new GateKeeper({
    statuses: statuses as unknown as WatchedKeys<CustomerStatuses>,
    settings: gatesSettings.schema(z).parse({ rules, payout_connections: ['bank'] }),
    clickhouse: {} as ClickHouseClient, // only activation asks it
    nowMs: () => 1,
    log: pino({ enabled: false }),
  })
}

const record = (document: object, kind: ConnectorRecord['kind'] = 'batch_line') =>
  ({ kind, document: { customer_id: 'acme', entity_id: 'de', ...document } }) as unknown as ConnectorRecord

test('records wait at the connections and for the entities that the rule names, until the status lets them go', () => {
  const keeper = keeperOf('kyc', 'in_review')
  expect(keeper.record('books', record({}))).toMatchObject({ code: 'held_by_gate' })
  expect(keeper.record('crm', record({}))).toBeUndefined()
  expect(keeper.record('books', record({ entity_id: 'fr' }))).toBeUndefined()
  expect(keeper.record('books', record({ customer_id: 'hooli' }))).toBeUndefined()
  expect(keeperOf('kyc', 'approved').record('books', record({}))).toBeUndefined()
})

test('a credit note, a negative amount and every record of a payout connection pay somebody, and nothing else does', () => {
  const keeper = keeperOf('aml', 'rejected')
  const codes = [
    keeper.record('books', record({ amount_rounded: '5.00' })),
    keeper.record('books', record({ amount_rounded: '-5.00' })),
    keeper.record('books', record({}, 'credit_note')),
    keeper.record('bank', record({ amount_rounded: '5.00' })),
  ].map(hold => hold?.code)
  expect(codes).toEqual([undefined, 'held_by_gate', 'held_by_gate', 'held_by_gate'])
})
