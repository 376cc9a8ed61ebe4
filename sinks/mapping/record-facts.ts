// What the rules of a mapping can ask of a record: its entity, customer, plan, …, and of a line its account, role and
// segments.

import type { ConnectorRecord } from '../connector.js'
import { type MappingFact, segmentPrefix } from './mapping-fields.js'

/** Of one line of a journal. */
export interface LineFacts {
  readonly account?: string | undefined
  readonly role?: string | undefined
  readonly segments?: Readonly<Record<string, string>> | undefined
}

export type Facts = (fact: string) => string | undefined

const fieldsOf: Readonly<Record<Exclude<MappingFact, 'account' | 'role'>, readonly string[]>> = {
  entity: ['entity_id'],
  currency: ['currency'],
  customer: ['customer_id'],
  subscription: ['subscription_id'],
  plan: ['plan'],
  price: ['price'],
  meter: ['meter'],
  kind: ['charge_kind', 'kind'],
  timing: ['timing'],
  performance_obligation: ['performance_obligation'],
}

export function factsOf({ document, kind }: ConnectorRecord, line: LineFacts = {}): Facts {
  const dimensions = (document['dimensions'] ?? {}) as Readonly<Record<string, unknown>>
  return fact => {
    if (fact === 'account') return line.account
    if (fact === 'role') return line.role
    if (fact.startsWith(segmentPrefix)) {
      const name = fact.slice(segmentPrefix.length)
      return textOf(ownMember(line.segments ?? {}, name)) ?? textOf(ownMember(dimensions, name))
    }
    const fields = fieldsOf[fact as keyof typeof fieldsOf] ?? []
    for (const field of fields) {
      const text = textOf(document[field]) ?? textOf(dimensions[field])
      if (fact === 'entity' && text === '') return 'default'
      if (text !== undefined && text !== '') return text
    }
    return fact === 'kind' ? kind : undefined
  }
}

/** A name is the customer's choice, and may be one that every object has. */
function ownMember(object: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}
