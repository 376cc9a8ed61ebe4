// The interface of a system that can be imported: a value in a folder of its own, and a line in systems.ts.
// `map` is pure: no I/O, no clock.

import type { DownloadPlan } from './api/download-plan.js'
import type { ExportKinds, ForeignExport } from './export-files.js'
import type { Findings } from './findings.js'
import type { Imported, ImportOptions } from './imported.js'

export const systemNames = ['stripe', 'lago', 'openmeter'] as const
export type SystemName = (typeof systemNames)[number]

export interface ForeignSystem {
  readonly name: SystemName
  readonly kinds: ExportKinds
  /** The `source` that the producers of that system give its usage. */
  readonly usageSource: string
  map(objects: ForeignExport, options: ImportOptions, findings: Findings): Imported
  /** How its API is read. */
  readonly download: DownloadPlan
}
