// `weir audit ls|verify`: the audit trail of a running Weir.

import type { AuditEntry } from '../../schemas/audit/audit-entry.js'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import type { AuditVerification } from './verify.js'

export interface ListAuditArguments extends GatewayArguments {
  readonly act?: string
  readonly by?: string
  readonly objectKind?: string
  readonly object?: string
  readonly since?: string
  readonly until?: string
  readonly before?: number
  readonly limit?: number
}

export function listAuditCommand(args: ListAuditArguments, io: CliIo): Promise<number> {
  const { gateway, json, objectKind, object, act, by, since, until, before, limit } = args
  const asked = { act, by, object_kind: objectKind, object_id: object, since, until, before, limit }
  return answer(io, async () => {
    const query = queryOf(asked)
    const { entries } = await callGateway<{ entries: readonly AuditEntry[] }>(gateway, `/v1/audit${query}`)
    io.stdout.write(json ? `${JSON.stringify(entries)}\n` : describeEntries(entries))
  })
}

export async function verifyAuditCommand(
  { gateway, json, anchor }: GatewayArguments & { readonly anchor?: string },
  io: CliIo,
): Promise<number> {
  let isWhole = false
  const code = await answer(io, async () => {
    const path = `/v1/audit/verification${queryOf({ anchor })}`
    const found = await callGateway<AuditVerification>(gateway, path)
    isWhole = found.ok
    io.stdout.write(json ? `${JSON.stringify(found)}\n` : describeVerification(found))
  })
  return code === exitCodes.ok && !isWhole ? exitCodes.failed : code
}

function queryOf(asked: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(asked)) if (value !== undefined) query.set(name, String(value))
  return query.size === 0 ? '' : `?${query}`
}

function describeEntries(entries: readonly AuditEntry[]): string {
  if (entries.length === 0) return 'There are no entries.\n'
  const rows = entries.map(({ sequence, at, by, act, object, reason, before, after }) => [
    String(sequence),
    at,
    by.kind === 'key' ? `${by.name} (${by.id})` : by.kind === 'process' ? by.name : 'without a key',
    act,
    `${object.kind} ${object.id}`,
    [reason ?? '', changeOf(before, after)].filter(Boolean).join('; '),
  ])
  const head = ['entry', 'at', 'by', 'act', 'object', 'reason; before → after']
  return `${plainTable(head, ['right', 'left', 'left', 'left', 'left', 'left'], rows)}\n`
}

const mostCharacters = 120

function changeOf(before: unknown, after: unknown): string {
  if (before === null && after === null) return ''
  const text = before === null ? canonicalJson(after) : `${canonicalJson(before)} → ${canonicalJson(after)}`
  return text.length > mostCharacters ? `${text.slice(0, mostCharacters)}…` : text
}

function describeVerification({
  ok,
  entries,
  head,
  clickhouse_rows,
  differences,
}: AuditVerification): string {
  const lines = differences.map(({ where, what, sequence, detail }) => {
    const named = sequence === null ? '' : ` entry ${sequence}`
    return `${where}:${named} ${what}: ${detail}`
  })
  const end = head === null ? '' : `; the head is ${head.sequence}:${head.hash}`
  lines.push(`${entries} entries in AUDIT, ${clickhouse_rows} rows in audit_log${end}`)
  lines.push(ok ? 'The audit trail is whole.' : 'The audit trail is NOT whole.')
  return `${lines.join('\n')}\n`
}
