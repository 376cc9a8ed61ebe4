// Reads the tables of docs/metrics.md and holds them against the text of /metrics, in both directions.

import { readFileSync } from 'node:fs'
import { packageRoot } from '../../../schemas/package-root.js'

export interface MetricRow {
  readonly name: string
  readonly type: string
  readonly labels: readonly string[]
}

/** The rows of the page's tables. */
export function metricRows(
  page = readFileSync(new URL('docs/metrics.md', packageRoot), 'utf8'),
): MetricRow[] {
  return [...page.matchAll(/^\| `(weir_\w+)` \| (\w+) \| ([\w, ]*) ?\| .+ \|$/gm)].map(
    ([, name, type, labels]) => ({
      name: name!,
      type: type!,
      labels: labels!
        .split(',')
        .map(label => label.trim())
        .filter(label => label !== '')
        .sort(),
    }),
  )
}

/** What page and metrics say differently, a sentence each. Labels of a metric without samples are not held. */
export function pageFaults(rows: readonly MetricRow[], metrics: string): string[] {
  const types = new Map([...metrics.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]))
  const told = new Set(rows.map(({ name }) => name))
  const untold = [...types.keys()].filter(name => !told.has(name!)).map(name => `${name} is not on the page`)
  return [...untold, ...rows.flatMap(row => rowFaults(row, types.get(row.name), metrics))]
}

function rowFaults({ name, type, labels }: MetricRow, found: string | undefined, metrics: string): string[] {
  if (found === undefined) return [`${name} is on the page and is not there`]
  if (found !== type) return [`${name} is a ${found}, the page says ${type}`]
  const sample = new RegExp(`^${name}(?:_bucket|_sum|_count)?(?:\\{(.*)\\})? \\S+$`, 'm').exec(metrics)
  if (sample === null) return []
  const own = [...(sample[1] ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label]) => label!)
  const seen = own.filter(label => type !== 'histogram' || label !== 'le').sort()
  return String(seen) === String(labels) ? [] : [`${name} has the labels ${seen}, the page says ${labels}`]
}
