// What the core does to plain usage, as far as it can be done alone: messages to columns of spans and hashes,
// and the look-up of what is in those columns. Where an event goes, its rating and its rows are one loop in
// the core (place-usage.ts of pipeline/core/usage) and are what is left of its steady state.

import { ScanLayout } from '../../pipeline/core/scan/layout.js'
import { MeterCatalog } from '../../pipeline/core/scan/meter-slots.js'
import type { ScannedEvents } from '../../pipeline/core/scan/scanned-events.js'
import { UsageScanner } from '../../pipeline/core/scan/scanner.js'
import { DedupeTable } from '../../pipeline/core/state/dedupe-table.js'
import { daysKept } from '../../pipeline/core/state/partition-state.js'
import { dayOf } from '../../pipeline/core/step/dedupe.js'
import type { CatalogIndex } from '../../rating/timeline/catalog-index.js'
import { type Difference, difference } from '../measure/report.js'
import type { StageClock } from './stage-clock.js'
import { type Batch, coreConfig } from './whole-core.js'

export const decodeToColumns = 'decode to columns'
export const dedupeOnColumns = 'dedupe on columns'

const identityWords = 4
const contentWords = 2

/** The scanner and the table are reused between calls, as in the core. All events here are plain. */
export function runPlainWay(
  catalog: CatalogIndex,
  batches: readonly Batch[],
  events: number,
  duplicates: number,
  clock: StageClock,
): Difference[] {
  const scanner = new UsageScanner(new ScanLayout(new MeterCatalog(catalog).paths))
  const dedupe = new DedupeTable(daysKept(coreConfig.limits.dedupeHorizonMs))
  let plain = 0
  let seen = 0
  for (const batch of batches) {
    clock.time(decodeToColumns, batch.events, () => {
      for (const { bytes, contentType } of batch.messages) scanner.scan(bytes, contentType)
    })
    const kept: Hashes[] = []
    for (const { bytes, contentType } of batch.messages) {
      const scan = scanner.scan(bytes, contentType)
      if (scan === undefined) continue
      plain += plainOf(scan)
      kept.push({ count: scan.count, identity: scan.identity.slice(), content: scan.content.slice() })
    }
    const day = dayOf(batch.messages[0]?.arrivedAtMs ?? 0)
    clock.time(dedupeOnColumns, batch.events, () => {
      for (const hashes of kept) seen += seeAll(hashes, dedupe, day)
    })
  }
  return [
    ...difference('plain events', events, plain),
    ...difference('duplicates by their columns', duplicates, seen),
  ]
}

interface Hashes {
  readonly count: number
  readonly identity: Uint32Array
  readonly content: Uint32Array
}

function plainOf(scan: ScannedEvents): number {
  let plain = 0
  for (let event = 0; event < scan.count; event += 1) plain += scan.plain[event]!
  return plain
}

const identity = new Uint32Array(identityWords)
const content = new Uint32Array(contentWords)

/** How many were duplicates. */
function seeAll(hashes: Hashes, table: DedupeTable, day: number): number {
  let duplicates = 0
  for (let event = 0; event < hashes.count; event += 1) {
    for (let i = 0; i < identityWords; i += 1) identity[i] = hashes.identity[event * identityWords + i]!
    for (let i = 0; i < contentWords; i += 1) content[i] = hashes.content[event * contentWords + i]!
    if (table.see(identity, content, day) === 'duplicate') duplicates += 1
  }
  return duplicates
}
