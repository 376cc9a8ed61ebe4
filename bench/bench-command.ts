// `weir bench …`: runs a benchmark and prints its report: JSON on request or without a terminal, else a page.
// Exit codes: 0 measured and every sum right, 1 not.

import type { Logger } from 'pino'
import { type CliIo, exitCodes } from '../pipeline/terminal/io.js'
import { showProgress } from '../pipeline/terminal/progress.js'
import { plainTable } from '../pipeline/terminal/table.js'
import type { Benchmark } from './benchmarks.js'
import type { BenchOptions } from './measure/context.js'
import type { BenchReport } from './measure/report.js'

export interface BenchArguments {
  readonly benchmark: Benchmark
  readonly events: number
  readonly customers: number
  readonly seed: number
  /** Of `compare` and `stage`. Default 3. */
  readonly rounds?: number
  /** Of `latency`: the load, instead of half of the full rate. */
  readonly rate?: number
  readonly json?: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
}

export async function benchCommand(args: BenchArguments, io: CliIo): Promise<number> {
  const { events, customers, seed, log } = args
  const asJson = args.json || !io.isTTY
  const progress = showProgress(io, args.json === true)
  const options = { events, customers, seed, natsServer: args.env['WEIR_NATS_SERVER'], log, progress }
  const report = await run(args, options)
  io.stdout.write(asJson ? `${JSON.stringify(report, null, 2)}\n` : page(report))
  return report.conservation === 'ok' ? exitCodes.ok : exitCodes.failed
}

/** Each benchmark is loaded when it runs, because a production installation lacks the peer's driver. */
async function run(
  { benchmark, rounds = 3, rate }: BenchArguments,
  options: BenchOptions,
): Promise<BenchReport> {
  switch (benchmark) {
    case 'end-to-end':
      return (await import('./end-to-end.js')).endToEnd(options)
    case 'floor':
      return (await import('./floor/floor.js')).floor(options)
    case 'compare':
      return (await import('./compare.js')).compare(options, rounds)
    case 'stage':
      return (await import('./stage/stage.js')).stage(options, rounds)
    case 'peer-postgres':
      return (await import('./postgres/peer.js')).peerPostgres(options)
    case 'latency':
      return (await import('./latency.js')).latency(options, rate)
    case 'explain':
      return (await import('./explain/explain.js')).explain(options)
    case 'billing-run':
      return (await import('./billing-run/billing-run.js')).billingRun(options)
    case 'growth':
      return (await import('./growth/growth.js')).growth(options)
    case 'soak':
      return (await import('./growth/soak.js')).soak(options)
    default:
      return benchmark satisfies never
  }
}

/** Every figure of the report on a line of its own; lists of figures as tables. */
function page(report: BenchReport): string {
  const lines: string[][] = []
  const tables: string[] = []
  for (const [name, value] of Object.entries(report)) {
    if (name === 'machine') lines.push([name, Object.values(value as object).join(', ')])
    else if (Array.isArray(value)) tables.push(...listPage(name, value as readonly object[]))
    else if (typeof value === 'object')
      tables.push(...listPage(name, Object.entries(value as object).map(named)))
    else lines.push([name, shown(value)])
  }
  return `${[plainTable([], ['left', 'right'], lines), ...tables].join('\n\n')}\n`
}

function named([name, figures]: [string, object]): object {
  return { name, ...figures }
}

function listPage(title: string, rows: readonly object[]): string[] {
  const [first] = rows
  if (first === undefined) return []
  const columns = Object.keys(first)
  const cells = rows.map(row =>
    Object.values(row).map(value =>
      typeof value === 'object' && value !== null
        ? shown((value as BenchReport).events_per_second)
        : shown(value),
    ),
  )
  const aligns = columns.map((_, at) => (at === 0 ? 'left' : 'right'))
  return [`${title}\n${plainTable(columns, aligns, cells)}`]
}

function shown(value: unknown): string {
  return typeof value === 'number' ? value.toLocaleString('en-US') : String(value)
}
