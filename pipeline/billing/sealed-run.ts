// The sealed lines of a run as LEDGER holds them: which partitions have sealed, and their lines, partition by partition.
// Invariants: the order of the lines is that of the partitions, and of LEDGER within each, at every reading; each message is
// read once; no more than one message is held.

import type { JetStreamClient, JetStreamManager } from '@nats-io/jetstream'
import type { KV } from '@nats-io/kv'
import {
  type BillingRunRecord,
  billingRunProgressSchema,
  type FoundEnd,
  foundEndSchema,
  runKeys,
  runsBucket,
} from '../../schemas/billing/billing-run.js'
import type { Charge } from '../../schemas/billing/charge.js'
import type { FeedMessage } from '../../sinks/sink.js'
import { bucketKeys } from '../broker/bucket-keys.js'
import { readStretch } from '../broker/read-stream.js'
import { SealedLinesError, sealedEndsIn, sealedMessageLines } from './batches.js'

export interface SealedSource {
  readonly js: JetStreamClient
  readonly jsm: JetStreamManager
  /** The bucket `weir_runs`. */
  readonly runs: KV
}

export type LineOfRun =
  | { readonly kind: 'line'; readonly charge: Charge }
  | ({ readonly kind: 'unreadable' } & UnreadableLine)

export interface UnreadableLine {
  readonly sequence: number
  /** Index among the lines of its message. */
  readonly index: number
  readonly content: string
  readonly detail: string
}

/** Keeps that partitions have sealed, of all ends in these messages; returns the runs. */
export async function keepEnds(runs: KV, messages: readonly FeedMessage[]): Promise<Set<string>> {
  const ended = new Set<string>()
  for (const { bytes, sequence } of messages) {
    for (const end of sealedEndsIn(bytes)) {
      const { billing_run_id: runId, partition } = end
      await runs.put(runKeys.end(runId, partition), JSON.stringify({ ...end, sequence } satisfies FoundEnd))
      ended.add(runId)
    }
  }
  return ended
}

/** The partitions that have sealed, by their number. */
export async function endsOf(source: SealedSource, { billing_run_id: id, ledger_after }: BillingRunRecord) {
  const { jsm, runs, js } = source
  const ends: FoundEnd[] = []
  for (const key of await bucketKeys(jsm, runsBucket, runKeys.end(id, '*'))) {
    const entry = await runs.get(key)
    if (entry !== null) ends.push(foundEndSchema.parse(entry.json()))
  }
  const entry = await runs.get(runKeys.progress(id))
  const told = entry === null ? [] : billingRunProgressSchema.parse(entry.json()).sealed_partitions
  // A version that kept no ends has told of it.
  for (const partition of told.filter(one => !ends.some(end => end.partition === one))) {
    const stretch = { stream: 'LEDGER', filterSubject: `ledger.${partition}.sealed`, from: ledger_after + 1 }
    for await (const { data, seq } of readStretch(js, stretch, new AbortController().signal))
      for (const end of sealedEndsIn(data))
        if (end.billing_run_id === id) ends.push({ ...end, sequence: seq })
  }
  return ends.sort((a, b) => a.partition - b.partition)
}

/** `onMessage` is called for every message. Throws when a partition has not as many lines as it said. */
export async function* linesOf(
  { js }: SealedSource,
  record: BillingRunRecord,
  ends: readonly FoundEnd[],
  signal: AbortSignal,
  onMessage: () => void,
): AsyncGenerator<LineOfRun, void, undefined> {
  for (const { partition, sequence: to, line_count } of ends) {
    let found = 0
    for await (const line of linesOfPartition({ js, record, partition, to, onMessage }, signal)) {
      found += 1
      yield line
    }
    if (found === line_count) continue
    const run = record.billing_run_id
    throw new SealedLinesError(
      `partition ${partition} sealed ${line_count} lines of billing run ${run}, the ledger holds ${found}`,
    )
  }
}

interface PartitionOfRun {
  readonly js: JetStreamClient
  readonly record: BillingRunRecord
  readonly partition: number
  readonly to: number
  readonly onMessage: () => void
}

async function* linesOfPartition(
  { js, record, partition, to, onMessage }: PartitionOfRun,
  signal: AbortSignal,
): AsyncGenerator<LineOfRun, void, undefined> {
  const stretch = {
    ...{ stream: 'LEDGER', filterSubject: `ledger.${partition}.sealed` },
    ...{ from: record.ledger_after + 1, to },
  }
  /** The `end` line that follows tells which run they belong to. */
  let unreadable: UnreadableLine[] = []
  for await (const message of readStretch(js, stretch, signal)) {
    for (const [index, line] of sealedMessageLines(message.data).entries()) {
      if (line.kind === 'unreadable') {
        const { content, detail } = line
        unreadable.push({ sequence: message.seq, index, content, detail })
      } else if (line.kind === 'end') {
        const isOurs = line.end.billing_run_id === record.billing_run_id
        if (isOurs) for (const one of unreadable) yield { kind: 'unreadable', ...one }
        unreadable = []
      } else if (line.runId === record.billing_run_id) yield { kind: 'line', charge: line.charge }
    }
    onMessage()
  }
}
