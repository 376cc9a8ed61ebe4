// A line of a billing batch as a connector gets it, for tests.

import { type ChargeWire, chargeSchema } from '../../schemas/billing/charge.js'
import type { ConnectorRecord } from '../connector.js'

export function batchLineRecord(n: number, changes: Partial<ChargeWire> = {}): ConnectorRecord {
  const amount = changes.amount_rounded ?? `${n + 1}.25`
  const id = `bl_${String(n).padStart(4, '0')}`
  const charge: ChargeWire = {
    charge_id: `ch_${n}`,
    customer_id: 'acme',
    subscription_id: `s_${n}`,
    subscription_version: 1,
    entity_id: '',
    contract_id: '',
    correlation_id: '',
    plan: 'pro',
    plan_version: 1,
    price: 'calls',
    meter: 'calls',
    kind: 'usage',
    timing: 'in_arrears',
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    timezone: 'UTC',
    quantity: `${n + 1}0`,
    amount,
    amount_rounded: amount,
    currency: 'USD',
    status: 'closed',
    ...changes,
  }
  chargeSchema.parse(charge)
  return {
    kind: 'batch_line',
    id,
    key: id,
    recordedAt: '2026-11-01T00:00:00Z',
    document: { ...charge, batch_id: 'b_1' },
  }
}
