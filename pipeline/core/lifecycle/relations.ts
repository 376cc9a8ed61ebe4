// Who pays for a customer, whose part it is, and whose books it is in: kept from `weir.customer.upserted`, and put on the lines of a billing run, so
// that invoices can be grouped.
// Invariants: a field that an event leaves out stays; of two events that set it the later by its time holds, then the greater
// id, whatever the order of arrival. A line has what is in force when it is sealed; what changes after that is on later lines.

import type { Charge } from '../../../schemas/billing/charge.js'
import { compositeKey } from '../../../schemas/identifiers.js'
import type { CustomerProfile } from '../../../schemas/lifecycle/lifecycle-event.js'
import type { ReceivedEvent } from '../decode/decode.js'
import type { PartitionState } from '../state/partition-state.js'
import type { CustomerRecord, Relation } from '../state/records.js'
import type { Step } from '../step/step.js'

export function applyRelations(step: Step, received: ReceivedEvent, profile: CustomerProfile): void {
  const { billTo, parent, customerId, entityId } = profile
  if (billTo === undefined && parent === undefined && entityId === undefined) return
  const { source, id, timeNs: atNs } = received.event
  const event = compositeKey(source, id)
  const record = step.state.customer(customerId)
  if (billTo !== undefined) set(record, 'billTo', { customerId: billTo, atNs, event })
  if (parent !== undefined) set(record, 'parent', { customerId: parent, atNs, event })
  if (entityId !== undefined && !isOlder(record.entity, { atNs, event }))
    record.entity = { entityId, atNs, event }
  step.state.maps.customers.touch(customerId)
}

function set(record: CustomerRecord, name: 'billTo' | 'parent', next: Relation): void {
  if (!isOlder(record[name], next)) record[name] = next
}

type Told = Pick<Relation, 'atNs' | 'event'>

function isOlder(last: Told | undefined, next: Told): boolean {
  return last !== undefined && (last.atNs > next.atNs || (last.atNs === next.atNs && last.event > next.event))
}

export function withRelations(line: Charge, state: PartitionState): Charge {
  const record = state.maps.customers.get(line.customerId)
  const [billTo, parent] = [record?.billTo?.customerId, record?.parent?.customerId]
  if (!billTo && !parent) return line
  return {
    ...line,
    ...(billTo ? { billToCustomerId: billTo } : {}),
    ...(parent ? { parentCustomerId: parent } : {}),
  }
}
