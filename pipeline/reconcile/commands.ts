// Declares `weir reconcile` and its options. The work is in reconcile-command.ts.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

export const reconcileCommands: DeclareCommands = (program, line) => {
  const reconcile = program
    .command('reconcile')
    .description('the conservation law, and ingest = rated = billed = posted = ClickHouse')
  withGateway(reconcile, 'print the report as JSON').action((options: GatewayOptions) =>
    line.run(async () => {
      const { askGateway, reconcileCommand } = await import('./reconcile-command.js')
      const { gateway, json } = await line.gateway(options)
      return reconcileCommand({ read: () => askGateway(gateway), json }, line.io)
    }),
  )
}
