// Imports files of an export in memory and compares, for tests.

import { compositeKey } from '../../../schemas/identifiers.js'
import { parseInstant } from '../../../schemas/time.js'
import { checkImport } from '../check-import.js'
import { compare } from '../compare/compare.js'
import { compareReport } from '../compare/compare-report.js'
import { OurSide } from '../compare/our-side.js'
import { ExportReader } from '../export-files.js'
import { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import { parsePeriod } from '../period.js'

export function importFiles(
  system: ForeignSystem,
  files: ReadonlyMap<string, string>,
  periodText = '2026-10',
) {
  const findings = new Findings()
  const reader = new ExportReader(system.kinds, findings)
  for (const [name, text] of files) reader.file(name, Buffer.from(text))
  const period = parsePeriod(periodText)!
  const options = { period, system: 'billing', usageSource: system.usageSource, customerKey: undefined }
  const taken = checkImport(system.map(reader.objects, options, findings), findings)
  return { taken, findings, period }
}

export function compareFiles(system: ForeignSystem, files: ReadonlyMap<string, string>, periodText?: string) {
  const { taken, findings, period } = importFiles(system, files, periodText)
  const seen = new Map(
    taken.seen.map(one => [compositeKey(one.source, one.id), parseInstant(one.seen_at) ?? 0n]),
  )
  const ours = new OurSide(taken.catalog, taken.lifecycle, taken.usage, period)
  const compared = compare({ ours, seen, findings: findings.all, billed: taken.billed, live: undefined })
  const head = { system: system.name, period: period.text, compared: 'files' as const }
  return { taken, findings, compared, report: compareReport(head, compared, new Set()) }
}
