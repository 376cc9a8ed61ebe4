// `weir reconcile`: asks a running Weir for its reconciliation, or makes it from the broker and ClickHouse directly.
// Exit 0: everything agrees; 1: it does not, or cannot be read.

import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { Kvm } from '@nats-io/kv'
import { type ConnectionOptions, connect } from '@nats-io/transport-node'
import { type ClickHouseConfig, openClickHouse } from '../../sinks/clickhouse/config.js'
import { callGateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { printReport } from './print.js'
import { reconcile } from './reconcile.js'
import type { ReconcileReport } from './report.js'

export type ReconcileSource =
  /** A gateway: `http://host:port`. */
  | { readonly kind: 'gateway'; readonly url: string; readonly apiKey?: string }
  | { readonly kind: 'servers'; readonly nats: ConnectionOptions; readonly clickhouse: ClickHouseConfig }

export interface ReconcileArgs {
  readonly source: ReconcileSource
  readonly json: boolean
  /** How long to wait for what lags. Only of `servers`; a gateway has its own limit. */
  readonly waitMs?: number
}

export async function reconcileCommand(args: ReconcileArgs, io: CliIo): Promise<number> {
  let report: ReconcileReport
  try {
    report = await readReport(args)
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ''
    io.stderr.write(`weir reconcile: ${error instanceof Error ? error.message : String(error)}${cause}\n`)
    return exitCodes.failed
  }
  io.stdout.write(args.json ? `${JSON.stringify(report, null, 2)}\n` : printReport(report))
  return report.ok ? exitCodes.ok : exitCodes.failed
}

function readReport({ source, waitMs }: ReconcileArgs): Promise<ReconcileReport> {
  switch (source.kind) {
    case 'gateway':
      return askGateway(source.url, source.apiKey)
    case 'servers':
      return askServers(source.nats, source.clickhouse, waitMs)
    default:
      return source satisfies never
  }
}

function askGateway(url: string, apiKey: string | undefined): Promise<ReconcileReport> {
  return callGateway<ReconcileReport>({ url, apiKey }, '/v1/reconciliation')
}

async function askServers(
  nats: ConnectionOptions,
  config: ClickHouseConfig,
  waitMs: number | undefined,
): Promise<ReconcileReport> {
  const nc = await connect({ ...nats, maxReconnectAttempts: 3 })
  const clickhouse = openClickHouse(config)
  try {
    const js = jetstream(nc)
    const kvm = new Kvm(js)
    const [sinks, runs] = [await kvm.open('weir_sinks'), await kvm.open('weir_runs')]
    const jsm = await jetstreamManager(nc)
    return await reconcile({
      clickhouse,
      nc,
      js,
      jsm,
      sinks,
      runs,
      ...(waitMs === undefined ? {} : { waitMs }),
    })
  } finally {
    await clickhouse.close()
    await nc.close()
  }
}
