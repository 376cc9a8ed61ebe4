// `weir import stripe|lago|openmeter`: reads exports or an API, and writes files. It sends nothing to a Weir.
// Exit codes: 0 written (also when something could not be said: the report tells), 1 failed, 2 wrong usage.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import { checkImport } from './check-import.js'
import { readExport } from './export-files.js'
import { isTimezone } from './fields.js'
import { Findings } from './findings.js'
import type { ForeignSystem, SystemName } from './foreign-system.js'
import { describeReport, reportOf } from './import-report.js'
import type { Period } from './imported.js'
import { parsePeriod } from './period.js'
import { systems } from './systems.js'
import { writeImport } from './write-import.js'

export interface ImportArguments {
  readonly name: SystemName
  readonly fromFile?: readonly string[]
  readonly api?: string
  readonly keyFile?: string
  readonly keyVariable?: string
  readonly period: string
  readonly timezone?: string
  readonly out: string
  readonly system: string
  readonly customerKey?: string
  readonly force?: boolean
  readonly json?: boolean
}

type Env = Readonly<Record<string, string | undefined>>

export async function importCommand(args: ImportArguments, io: CliIo, env: Env): Promise<number> {
  const { timezone = 'UTC' } = args
  const period = isTimezone(timezone) ? parsePeriod(args.period, timezone) : undefined
  const wrong = wrongUsage(args, period)
  if (wrong !== undefined || period === undefined) {
    io.stderr.write(`${wrong}\n`)
    return exitCodes.usage
  }
  try {
    const system = systems[args.name]
    const findings = new Findings()
    const paths =
      args.api === undefined ? (args.fromFile ?? []) : [await download(args, system, period, io, env)]
    const objects = await readExport(paths, system.kinds, findings)
    const options = {
      period,
      system: args.system,
      usageSource: system.usageSource,
      customerKey: args.customerKey,
    }
    const taken = checkImport(system.map(objects, options, findings), findings)
    const report = reportOf(args.name, period, taken, findings)
    const written = await writeImport(args.out, taken, report, args.force === true)
    if (written.kind === 'changed') {
      io.stderr.write(
        `files_changed: ${written.files.join(', ')} in ${args.out} were changed by hand; take another --out, or --force to write over them.\n`,
      )
      return exitCodes.failed
    }
    io.stdout.write(
      args.json
        ? `${JSON.stringify(report)}\n`
        : `${describeReport(report)}\nWritten to ${args.out}: ${written.files.join(', ')}\n`,
    )
    return exitCodes.ok
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`)
    return exitCodes.failed
  }
}

function wrongUsage(args: ImportArguments, period: Period | undefined): string | undefined {
  if (period === undefined)
    return '--period is a month such as 2026-10, or FROM/UNTIL; --timezone an IANA name.'
  if ((args.api === undefined) === (args.fromFile === undefined))
    return 'One of --from-file and --api says what is read.'
  if (args.api === undefined) return undefined
  if (!URL.canParse(args.api) || !/^https?:/.test(args.api))
    return '--api is a URL such as https://api.stripe.com.'
  const hasKey = args.keyFile !== undefined || args.keyVariable !== undefined
  return hasKey
    ? undefined
    : '--api needs --key-file or --key-variable: a key on the command line would be seen by others.'
}

/** The folder that holds what was read. */
async function download(
  args: ImportArguments,
  system: ForeignSystem,
  period: Period,
  io: CliIo,
  env: Env,
): Promise<string> {
  const key = args.keyFile === undefined ? env[args.keyVariable ?? ''] : await readFile(args.keyFile, 'utf8')
  if (key === undefined || key.trim() === '')
    throw new Error('key_missing: there is no key in the file or the variable.')
  const { downloadAll } = await import('./api/download.js')
  const folder = join(args.out, 'raw')
  const progress = showProgress(io, args.json === true)
  await downloadAll({ baseUrl: args.api ?? '', key: key.trim(), folder, period, system, progress })
  return folder
}
