// Where systems of record disagree, as rows that ClickHouse reads beside its tables. Sources keep them in the bucket
// `weir_arrivals`; each is one field of one object that somebody has to look at.

import type { JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { conflictKeys, objectConflictsSchema } from '../../schemas/owner-conflict.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import type { QueryParameters } from './query-parameters.js'

export interface ConflictRow {
  readonly name: string
  readonly code: string
  readonly detail: string
  readonly pointer: string
  readonly source: string
  readonly object: string
  readonly object_id: string
  readonly customer_id: string
  readonly since: string
  readonly revision: number
}

/** More objects than these are not shown at once. */
const maxObjects = 1_000
const readAtOnce = 64
const mostValue = 200

export async function readConflicts(kv: KV, jsm: JetStreamManager): Promise<readonly ConflictRow[]> {
  const keys = (await bucketKeys(jsm, 'weir_arrivals', conflictKeys)).slice(0, maxObjects)
  const rows: ConflictRow[] = []
  for (let from = 0; from < keys.length; from += readAtOnce) {
    const entries = await Promise.all(keys.slice(from, from + readAtOnce).map(key => kv.get(key)))
    for (const entry of entries) {
      if (entry === null || entry.operation !== 'PUT') continue
      const { object, id, customer_id, conflicts } = objectConflictsSchema.parse(entry.json())
      for (const { code, field, owner, owner_value, system, value, since, revision } of conflicts) {
        const first = owner === null ? 'another system says' : `${owner} says`
        const won = owner === null ? 'No rule says whose it is' : `${owner} owns it and won`
        rows.push({
          name: `${object} ${id} ${field} ${system}`,
          code,
          detail: `${field} of the ${object} ${id}: ${first} ${shown(owner_value)}, ${system} says ${shown(value)}. ${won}.`,
          pointer: `/data/${field.replaceAll('.', '/')}`,
          ...{ source: system, object, object_id: id, customer_id, since, revision },
        })
      }
    }
  }
  return rows
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'null').slice(0, mostValue)
}

const structure =
  'name String, code String, detail String, pointer String, source String, object String, object_id String,' +
  " customer_id String, since DateTime64(3, ''UTC''), revision UInt64"

/** A table expression with these rows. */
export function conflictsTable(rows: readonly ConflictRow[], parameters: QueryParameters): string {
  if (rows.length === 0) return `null('${structure}')`
  const lines = rows.map(row => JSON.stringify(row)).join('\n')
  return `format(JSONEachRow, '${structure}', ${parameters.add('String', lines)})`
}
