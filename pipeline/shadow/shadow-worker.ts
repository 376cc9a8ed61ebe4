// The entry of the thread of a shadow. It holds one copy at a time. No I/O and no clock: bytes come in, outcomes go out.

import { setPriority } from 'node:os'
import { longestDaysOf } from '../../schemas/catalog/billing-period.js'
import type { CoreConfig, HistoryRequest } from '../core/core.js'
import { DedupeTable } from '../core/state/dedupe-table.js'
import { daysKept, PartitionState } from '../core/state/partition-state.js'
import { type LoadTask, unpackMessages } from '../workers/protocol.js'
import { CopiedPartition } from './copied-partition.js'
import { OwedLines } from './owed-side.js'
import type { EventIdentity, FeedTask, OpenCopyTask, Outcome } from './protocol.js'
import type {
  ChangesTask,
  ChargesPage,
  ChargesTask,
  DifferencePage,
  ReadingsTask,
  ReplayOptions,
  UsageTask,
} from './replay-protocol.js'
import { ReplayedPartition } from './replayed-partition.js'

/** On Linux this is the priority of this thread; elsewhere it would be that of the process. */
if (process.platform === 'linux') setPriority(0, 10)

let loading: { readonly table: DedupeTable; segments: number } | undefined
let opened:
  | { readonly config: CoreConfig; readonly state: PartitionState; readonly commit: number }
  | undefined
let copy: CopiedPartition | undefined
let replayed: ReplayedPartition | undefined
let owed: OwedLines | undefined

/** Takes over a segment of identities, before the state is opened. */
export function load({ config, index, entries, bytesInAll }: LoadTask): void {
  if (index === 0) {
    const table = new DedupeTable(daysKept(config.limits.dedupeHorizonMs))
    table.reserve(bytesInAll)
    loading = { table, segments: 0 }
  }
  if (loading?.segments !== index) throw new Error(`the segments before ${index} are not in this thread`)
  loading.table.load(entries)
  loading.segments += 1
}

export function openCopy({ config, segments, snapshot, deltas, commit }: OpenCopyTask): void {
  if ((loading?.segments ?? 0) !== segments)
    throw new Error(`not all ${segments} segments are in this thread`)
  const { dedupeHorizonMs } = config.limits
  const state = PartitionState.restore(dedupeHorizonMs, snapshot, deltas, loading?.table)
  loading = undefined
  opened = { config, state, commit }
}

/** Answers the history that is needed; it is brought by the next call. */
export function feed({ nowMs, catalog, lifecycle, metering, stored }: FeedTask): readonly HistoryRequest[] {
  const input = {
    nowMs,
    catalog: unpackMessages(catalog),
    lifecycle: unpackMessages(lifecycle),
    metering: unpackMessages(metering),
  }
  return copied().feed(input, stored)
}

export function take(asked: readonly EventIdentity[]): Outcome {
  return copied().take(asked)
}

/** What the copy owes, from the first page on; it is fed nothing any more. */
export function owedCharges({ stretch, linesEach }: ChargesTask): ChargesPage {
  owed ??= new OwedLines(theCopy().state, stretch)
  return owed.page(linesEach)
}

/** The copy is what a replay is held against; it is fed nothing any more. Returns the days of the longest period of an override. */
export function openReplay(options: ReplayOptions): number {
  const { config, state } = theCopy()
  replayed = new ReplayedPartition(config, state, options)
  const changes = [...state.maps.subscriptions.values()].flatMap(record => record.changes)
  return longestDaysOf(changes.flatMap(({ change }) => change.priceOverrides ?? []))
}

/** What live owes, as the live build told it: it is compared in the place of what the copy owes. */
export function takeOwed(lines: Uint8Array): void {
  theReplay().takeOwed(lines)
}

export function applyChanges({ nowMs, catalog, lifecycle }: ChangesTask): void {
  theReplay().applyChanges({ nowMs, catalog: unpackMessages(catalog), lifecycle: unpackMessages(lifecycle) })
}

export function beginUsage(): void {
  theReplay().beginUsage()
}

export function feedUsage({ nowMs, metering }: UsageTask): void {
  theReplay().feedUsage({ nowMs, metering: unpackMessages(metering) })
}

export function placeReadings({ nowMs, lines }: ReadingsTask): void {
  theReplay().placeReadings(lines, nowMs)
}

export function endReadings(nowMs: number): void {
  theReplay().endReadings(nowMs)
  theReplay().placeWaiting(nowMs)
}

export function differences(linesEach: number): DifferencePage {
  return theReplay().differences(linesEach)
}

function copied(): CopiedPartition {
  const { config, state, commit } = theCopy()
  copy ??= new CopiedPartition(config, state, commit)
  return copy
}

function theCopy() {
  if (opened === undefined) throw new Error('no copy is open in this thread')
  return opened
}

function theReplay(): ReplayedPartition {
  if (replayed === undefined) throw new Error('no replay is open in this thread')
  return replayed
}
