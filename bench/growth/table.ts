// The dedupe tables of one process as they fill: nanoseconds per event, the longest batch, memory, tenth by
// tenth. Two partitions, as many events per call as in a commit, one event in a thousand sent twice, as in
// the pipeline but with no other stage. CPU time is measured, so that other work on the machine does not
// count.

import { DedupeTable } from '../../pipeline/core/state/dedupe-table.js'
import { type Difference, difference, rounded } from '../measure/report.js'
import { threadCpuNs } from '../stage/stage-clock.js'
import { writeIdentity } from './identities.js'

export interface GrowthStep {
  readonly ids: number
  readonly ns_per_event: number
  readonly events_per_second: number
  /** Of batches of 50,000 events: on the clock, what a commit waits at most. */
  readonly longest_batch_ms: number
  readonly bytes_per_id: number
  readonly rss_bytes: number
}

export interface FilledTables {
  readonly steps: readonly GrowthStep[]
  readonly peakRssBytes: number
  readonly differences: readonly Difference[]
}

const tableCount = 2
const batchEvents = 50_000
const stepCount = 10
const repeatEvery = 1_000
const keepDays = 36
const day = 20_000
/** What an event costs to make here, counted apart and taken off. */
const warmUpEvents = 1_000_000

export function fillTables(ids: number, onStep: (step: GrowthStep) => void): FilledTables {
  const tables = Array.from({ length: tableCount }, () => new DedupeTable(keepDays))
  const makingNs = nsToMake(warmUpEvents)
  const steps: GrowthStep[] = []
  const seen = { new: 0, duplicate: 0, conflicting: 0 }
  let peakRssBytes = 0
  for (let step = 1, from = 0; step <= stepCount; step += 1) {
    const until = Math.round((ids * step) / stepCount)
    let cpuNs = 0
    let events = 0
    let longestMs = 0
    for (; from < until; from += batchEvents) {
      const cpuBefore = threadCpuNs()
      const startedAt = performance.now()
      events += seeBatch(tables, from, Math.min(until, from + batchEvents), seen)
      longestMs = Math.max(longestMs, performance.now() - startedAt)
      cpuNs += threadCpuNs() - cpuBefore
      peakRssBytes = Math.max(peakRssBytes, process.memoryUsage.rss())
    }
    from = until
    const ns = cpuNs / events - makingNs
    const made: GrowthStep = {
      ids: until,
      ns_per_event: rounded(ns, 0),
      events_per_second: Math.round(1e9 / ns),
      longest_batch_ms: rounded(longestMs, 1),
      bytes_per_id: rounded(tables.reduce((sum, table) => sum + table.bytes, 0) / until, 1),
      rss_bytes: process.memoryUsage.rss(),
    }
    steps.push(made)
    onStep(made)
  }
  const repeats = Math.floor((ids - 1) / repeatEvery)
  return {
    steps,
    peakRssBytes,
    differences: [
      ...difference('new ids', ids, seen.new),
      ...difference('duplicates', repeats, seen.duplicate),
      ...difference('conflicting', 0, seen.conflicting),
      ...difference(
        'keys held',
        ids,
        tables.reduce((sum, table) => sum + table.size, 0),
      ),
    ],
  }
}

/** Every thousandth event is followed by one that was seen long ago. */
function seeBatch(
  tables: readonly DedupeTable[],
  from: number,
  until: number,
  seen: Record<'new' | 'duplicate' | 'conflicting', number>,
): number {
  const identity = new Uint32Array(4)
  const content = new Uint32Array(2)
  let events = 0
  for (let n = from; n < until; n += 1) {
    writeIdentity(n, identity)
    content[0] = identity[1]!
    seen[tables[n % tableCount]!.see(identity, content, day)] += 1
    events += 1
    if (n === 0 || n % repeatEvery !== 0) continue
    const old = Math.floor(n * 0.618)
    writeIdentity(old, identity)
    content[0] = identity[1]!
    seen[tables[old % tableCount]!.see(identity, content, day)] += 1
    events += 1
  }
  for (const table of tables) table.takeDelta()
  return events
}

function nsToMake(events: number): number {
  const identity = new Uint32Array(4)
  const before = threadCpuNs()
  let sum = 0
  for (let n = 0; n < events; n += 1) {
    writeIdentity(n, identity)
    sum ^= identity[1]!
  }
  // The sum is used, so that V8 cannot remove the work.
  return sum === 1 ? 0 : (threadCpuNs() - before) / events
}
