// `weir import compare DIR`: reads the files of an import, rates them or asks a running Weir, and prints what differs and why.
// Exit codes: 0 nothing differs but for accepted reasons, 1 something does.

import type { Gateway } from '../../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../../terminal/io.js'
import { compare } from './compare.js'
import { compareReport, describeComparison } from './compare-report.js'
import { reasons } from './difference.js'
import { liveCharges } from './live-charges.js'
import { OurSide } from './our-side.js'
import { readImport } from './read-import.js'

export interface CompareArguments {
  readonly folder: string
  readonly period?: string
  readonly accept?: string
  readonly json?: boolean
  /** A running Weir whose charges are compared; undefined: the files are rated. */
  readonly gateway?: Gateway
}

export async function compareCommand(args: CompareArguments, io: CliIo): Promise<number> {
  const accepted = new Set((args.accept ?? '').split(',').filter(one => one !== ''))
  const unknown = [...accepted].find(one => !(reasons as readonly string[]).includes(one))
  if (unknown !== undefined) {
    io.stderr.write(`--accept names ${unknown}; there are ${reasons.join(', ')}.\n`)
    return exitCodes.usage
  }
  try {
    const { system, period, catalog, lifecycle, usage, seen, billed, findings } = await readImport(
      args.folder,
      args.period,
    )
    const ours = new OurSide(catalog, lifecycle, usage, period)
    const live = args.gateway === undefined ? undefined : await liveCharges(args.gateway, period)
    const compared = compare({ ours, seen, findings, billed, live })
    const head = {
      system,
      period: period.text,
      compared: live === undefined ? ('files' as const) : ('running_weir' as const),
    }
    const report = compareReport(head, compared, accepted)
    io.stdout.write(args.json ? `${JSON.stringify(report)}\n` : describeComparison(report))
    return report.equal ? exitCodes.ok : exitCodes.failed
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`)
    return exitCodes.failed
  }
}
