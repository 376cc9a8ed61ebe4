// Lists the records that a sink refused and set aside: each is missing from a table or a stream. What a second person
// rejected is none of them: it is to be missing.

import type { KV } from '@nats-io/kv'
import { isToMend, listSetAside } from '../deliver/refused-records.js'
import { type Check, checkOf } from './report.js'

export async function checkSetAside(sinks: KV): Promise<Check> {
  const records = (await listSetAside(sinks)).filter(isToMend)
  const differences = records.map(({ feed, name, table, code, detail, content }) => ({
    id: `${feed}: ${table}, ${name}`,
    expected: 'delivered',
    found: code,
    detail: `${detail} ${content}`.slice(0, 1_000),
  }))
  return checkOf('set_aside', 'no record is set aside by a sink', records.length, differences)
}
