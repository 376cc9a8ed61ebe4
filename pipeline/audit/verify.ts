// Checks the audit trail: each entry of the stream AUDIT against the one before it, the end against the anchor, and every
// row of the table `audit_log` against the stream.
// Invariants: an entry that was changed, removed or inserted, in the stream or in ClickHouse, is named by its sequence; what
// cannot be read is a difference too.

import type { ClickHouseClient } from '@clickhouse/client'
import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import { type AuditEntry, auditEntrySchema, firstHash, hashOfEntry } from '../../schemas/audit/audit-entry.js'
import { readStretch } from '../broker/read-stream.js'
import { natsSubjects } from '../broker/topology.js'
import { type Anchor, readAnchor, unmetAnchors } from './anchor.js'
import { auditStream, openEntry } from './audit-log.js'
import { entriesOfTable, type TableEntry } from './audit-table.js'

export interface AuditSource {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_audit`. */
  readonly anchors: KV
  readonly key: Uint8Array
  readonly clickhouse: ClickHouseClient
  /** Up to where ClickHouse has the stream. */
  readonly delivered: () => Promise<number>
}

export interface AuditDifference {
  readonly where: 'stream' | 'anchor' | 'clickhouse'
  readonly what: 'changed' | 'removed' | 'inserted' | 'unreadable'
  /** Of the entry; null: it has none. */
  readonly sequence: number | null
  readonly detail: string
}

export interface AuditVerification {
  readonly ok: boolean
  /** How many entries the stream holds, and the last one. */
  readonly entries: number
  readonly head: Anchor | null
  readonly clickhouse_rows: number
  readonly differences: readonly AuditDifference[]
}

/** How many differences are told; the first ones are. */
const mostDifferences = 1_000

/** `known`: the head that somebody wrote down outside of Weir. */
export async function verifyAudit(source: AuditSource, known?: Anchor): Promise<AuditVerification> {
  // The order of reading: a row or an anchor that was there before the stream was read must be met by it.
  const until = await source.delivered()
  const { rows, trouble } = await rowsOf(source)
  const anchor = await readAnchor(source.anchors, source.key)
  const chain = await readChain(source)
  const unmet = await unmetAnchors(source.jsm, source.anchors, source.key)
  const differences = [
    ...chain.differences,
    ...againstAnchor(chain, anchor),
    ...unmet.flatMap(one => againstHead(chain, one, 'the anchor of an earlier start')),
    ...(known === undefined ? [] : againstHead(chain, known, 'the head that was given')),
    ...(trouble.length > 0 ? trouble : againstTable(chain, rows, until)),
  ]
  const last = [...chain.entries.values()].at(-1)
  return {
    ok: differences.length === 0,
    entries: chain.entries.size,
    head: last === undefined ? null : { sequence: last.sequence, hash: last.hash },
    clickhouse_rows: rows.length,
    differences: differences.slice(0, mostDifferences),
  }
}

interface Chain {
  /** The entries that Weir wrote, by sequence, in the order of the stream. */
  readonly entries: ReadonlyMap<number, AuditEntry & { readonly streamSequence: number }>
  readonly differences: readonly AuditDifference[]
}

async function readChain({ js, jsm, key }: AuditSource): Promise<Chain> {
  const { state } = await jsm.streams.info(auditStream)
  const entries = new Map<number, AuditEntry & { streamSequence: number }>()
  const differences: AuditDifference[] = []
  let [sequence, previous] = [0, firstHash]
  const stretch = { stream: auditStream, filterSubject: natsSubjects.audit, from: 1 }
  for await (const { seq, data } of readStretch(js, stretch, new AbortController().signal)) {
    const entry = openEntry(data, key)
    if (entry === undefined) {
      differences.push(foreign(data, seq))
      continue
    }
    const place = `message ${seq} of ${auditStream}`
    for (let missing = sequence + 1; missing < entry.sequence; missing += 1)
      differences.push({ where: 'stream', what: 'removed', sequence: missing, detail: `before ${place}` })
    const fault = faultOf(entry, sequence, previous)
    if (fault !== undefined)
      differences.push({
        where: 'stream',
        ...fault,
        sequence: entry.sequence,
        detail: `${place}: ${fault.detail}`,
      })
    if (entry.sequence <= sequence) continue
    entries.set(entry.sequence, { ...entry, streamSequence: seq })
    ;[sequence, previous] = [entry.sequence, entry.hash]
  }
  if (state.messages > entries.size + differences.length)
    differences.push({
      where: 'stream',
      what: 'unreadable',
      sequence: null,
      detail: 'it was not read to its end',
    })
  return { entries, differences: changedOnes(differences) }
}

/** An entry that is missing while a message that Weir did not write has its sequence was changed. */
function changedOnes(differences: readonly AuditDifference[]): AuditDifference[] {
  const removed = new Set(differences.filter(one => one.what === 'removed').map(one => one.sequence))
  const isChanged = ({ what, sequence }: AuditDifference) => what === 'inserted' && removed.has(sequence)
  const changed = new Set(differences.filter(isChanged).map(one => one.sequence))
  return differences.flatMap(one => {
    if (!changed.has(one.sequence)) return [one]
    return one.what === 'removed' ? [] : [{ ...one, what: 'changed' as const }]
  })
}

/** A message that this installation's key does not seal: written by somebody else, or changed. */
function foreign(data: Uint8Array, seq: number): AuditDifference {
  const parsed = auditEntrySchema.safeParse(jsonOf(data))
  const sequence = parsed.success ? parsed.data.sequence : null
  const detail = `message ${seq} of ${auditStream} was not written, or not like this, by Weir`
  return { where: 'stream', what: 'inserted', sequence, detail }
}

function faultOf(
  entry: AuditEntry,
  sequence: number,
  previous: string,
): Pick<AuditDifference, 'what' | 'detail'> | undefined {
  if (hashOfEntry(entry) !== entry.hash)
    return { what: 'changed', detail: `its content does not have the hash ${entry.hash}` }
  if (entry.sequence <= sequence) return { what: 'inserted', detail: `entry ${sequence} stands before it` }
  if (entry.sequence === sequence + 1 && entry.previous_hash !== previous)
    return { what: 'changed', detail: `it follows ${entry.previous_hash}, the entry before has ${previous}` }
  return undefined
}

function againstAnchor(chain: Chain, anchor: Anchor | 'none' | 'forged'): readonly AuditDifference[] {
  if (anchor === 'forged')
    return [{ where: 'anchor', what: 'changed', sequence: null, detail: 'Weir did not write the anchor' }]
  if (anchor !== 'none') return againstHead(chain, anchor, 'the anchor')
  if (chain.entries.size === 0) return []
  return [{ where: 'anchor', what: 'removed', sequence: null, detail: 'there are entries and no anchor' }]
}

/** A head that was kept somewhere must be met by the stream. */
function againstHead(
  { entries }: Chain,
  { sequence, hash }: Anchor,
  whose: string,
): readonly AuditDifference[] {
  const entry = entries.get(sequence)
  if (entry?.hash === hash) return []
  if (entry !== undefined) {
    const detail = `${whose} has entry ${sequence} with the hash ${hash}, the stream ${entry.hash}`
    return [{ where: 'stream', what: 'changed', sequence, detail }]
  }
  const last = [...entries.keys()].at(-1) ?? 0
  const detail = `${whose} is at entry ${sequence}, the stream ends at ${last}`
  return [{ where: 'stream', what: 'removed', sequence, detail }]
}

interface FoundRows {
  readonly rows: readonly TableEntry[]
  readonly trouble: readonly AuditDifference[]
}

async function rowsOf({ clickhouse }: AuditSource): Promise<FoundRows> {
  try {
    return { rows: await entriesOfTable(clickhouse), trouble: [] }
  } catch (error) {
    const detail = String(error)
    return { rows: [], trouble: [{ where: 'clickhouse', what: 'unreadable', sequence: null, detail }] }
  }
}

function againstTable(
  { entries }: Chain,
  rows: readonly TableEntry[],
  until: number,
): readonly AuditDifference[] {
  const differences: AuditDifference[] = []
  const seen = new Set<number>()
  const tell = (what: AuditDifference['what'], sequence: number, detail: string) =>
    differences.push({ where: 'clickhouse', what, sequence, detail })
  for (const { entry, streamSequence } of rows) {
    const kept = entries.get(entry.sequence)
    if (kept === undefined || kept.streamSequence !== streamSequence || seen.has(entry.sequence))
      tell(
        'inserted',
        entry.sequence,
        `a row of audit_log that the stream has not (message ${streamSequence})`,
      )
    else if (entry.hash !== kept.hash || hashOfEntry(entry) !== kept.hash)
      tell('changed', entry.sequence, 'the row of audit_log does not have the hash of the entry')
    if (kept?.streamSequence === streamSequence) seen.add(entry.sequence)
  }
  for (const { sequence, streamSequence } of entries.values())
    if (streamSequence <= until && !seen.has(sequence))
      tell('removed', sequence, 'audit_log has no row of it')
  return differences
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
}
