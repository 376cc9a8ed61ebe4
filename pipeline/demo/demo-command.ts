// `weir demo`: everything on a fresh state with realistic traffic; exits 0 only when all totals agree.

import { basename } from 'node:path'
import type { Logger } from 'pino'
import { loadConfig } from '../config/config.js'
import { sections } from '../settings.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import type { FakeErpKind } from './erp-kinds.js'
import type { FakeErp } from './fake-erp.js'
import { demoPage } from './page.js'
import { runDemo } from './run.js'
import { type Scenario, scenarioOfTrace, syntheticScenario } from './scenario.js'
import { readTrace } from './trace.js'

export interface DemoArguments {
  /** A CSV of LLM calls; absent: synthetic traffic. */
  readonly trace?: string
  readonly customers: number
  readonly events: number
  /** Journals and releases go to a fake of this kind. */
  readonly erp?: FakeErpKind
  readonly json?: boolean
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: Logger
}

/** The traffic may be years old, so that no event of the demo counts as too old. */
const dedupeHorizonDays = 36_500

export async function demoCommand(args: DemoArguments, io: CliIo): Promise<number> {
  const scenario = await scenarioOf(args)
  if (typeof scenario === 'string') {
    io.stderr.write(`${scenario}\n`)
    return exitCodes.failed
  }
  const report = await runDemo({
    scenario,
    disorder:
      args.trace === undefined
        ? { duplicates: 0.003, late: 0.002, broken: 0.002 }
        : { duplicates: 0.001, late: 0.001, broken: 0.001 },
    ...(args.erp === undefined ? {} : { erp: args.erp }),
    configOf: (dataDir, erp) => demoConfig(dataDir, args, erp),
    log: args.log,
    progress: showProgress(io, args.json === true),
  })
  io.stdout.write(args.json ? `${JSON.stringify(report)}\n` : demoPage(report, io.isTTY))
  return report.checks.every(check => check.ok) ? exitCodes.ok : exitCodes.failed
}

async function scenarioOf(args: DemoArguments): Promise<Scenario | string> {
  if (args.trace === undefined) return syntheticScenario(args.events, args.customers)
  const trace = await readTrace(args.trace)
  if (trace.kind === 'invalid') return trace.detail
  return scenarioOfTrace(`the trace ${basename(args.trace)}`, trace.rows, args.customers)
}

function demoConfig(dataDir: string, args: DemoArguments, erp: FakeErp | undefined) {
  // Only this variable, and the fake's secrets, are passed on, so that a demo never touches a running system.
  const env = { WEIR_NATS_SERVER: args.env['WEIR_NATS_SERVER'], ...erp?.secrets }
  const flags = { data_dir: dataDir, 'http.port': 0, dedupe_horizon_days: dedupeHorizonDays }
  const loaded = loadConfig({ sections, env, flags, ...(erp === undefined ? {} : { file: erp.configFile }) })
  if (loaded.kind === 'invalid') throw new Error(loaded.problems.map(problem => problem.message).join('\n'))
  return loaded.config
}
