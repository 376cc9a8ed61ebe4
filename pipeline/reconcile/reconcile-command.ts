// `weir reconcile`: asks a running Weir for its reconciliation.
// Exit code 0: everything agrees; 1: something differs or cannot be read.

import { callGateway, type Gateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { printReport } from './print.js'
import type { ReconcileReport } from './report.js'

export interface ReconcileArgs {
  readonly read: () => Promise<ReconcileReport>
  readonly json: boolean
}

export async function reconcileCommand({ read, json }: ReconcileArgs, io: CliIo): Promise<number> {
  let report: ReconcileReport
  try {
    report = await read()
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
    io.stderr.write(`weir reconcile: ${error instanceof Error ? error.message : String(error)}${cause}\n`)
    return exitCodes.failed
  }
  io.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : printReport(report))
  return report.ok ? exitCodes.ok : exitCodes.failed
}

export function askGateway(gateway: Gateway): Promise<ReconcileReport> {
  return callGateway<ReconcileReport>(gateway, '/v1/reconciliation')
}
