// Declares `weir reconcile` and its options. The work is in reconcile-command.ts.

import { InvalidArgumentError } from 'commander'
import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

interface ReconcileOptions extends GatewayOptions {
  readonly connection?: string
  readonly from?: string
  readonly until?: string
  readonly days?: boolean
}

export const reconcileCommands: DeclareCommands = (program, line) => {
  const reconcile = program
    .command('reconcile')
    .description('the conservation law, and ingest = rated = billed = posted = ClickHouse')
    .option('--connection <name>', 'what the receiver of this connection has of ours, against our deliveries')
    .option('--days', 'charges, batches, journals and what each connection has, day by day')
    .option('--from <date>', 'with --connection or --days: the first accounting date, YYYY-MM-DD', day)
    .option('--until <date>', 'with --connection or --days: the last accounting date, included', day)
  withGateway(reconcile, 'print the report as JSON').action((options: ReconcileOptions) =>
    line.run(async () => {
      const { connection, from, until, days = false } = options
      if (connection !== undefined && days)
        reconcile.error('error: --connection and --days do not go together')
      if (connection !== undefined) {
        const { receiverCommand } = await import('./receiver-command.js')
        const at = await line.gateway(options)
        return receiverCommand({ ...at, connection, from, until }, line.io)
      }
      if (days) {
        const { daysCommand } = await import('./days-command.js')
        return daysCommand({ ...(await line.gateway(options)), from, until }, line.io)
      }
      if (from !== undefined || until !== undefined)
        reconcile.error('error: --from and --until go with --connection or --days')
      const { askGateway, reconcileCommand } = await import('./reconcile-command.js')
      const { gateway, json } = await line.gateway(options)
      return reconcileCommand({ read: () => askGateway(gateway), json }, line.io)
    }),
  )
}

function day(text: string): string {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) throw new InvalidArgumentError('It is a date, such as 2026-01-31.')
  return text
}
