// `weir rebuild clickhouse`.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'
import type { RebuildArguments } from './rebuild-command.js'

type RebuildOptions = GatewayOptions & Pick<RebuildArguments, 'table' | 'reason' | 'detach'>

export const rebuildCommands: DeclareCommands = (program, line) => {
  const rebuild = program.command('rebuild').description('fill again what holds a copy of the ledger')
  const clickhouse = rebuild
    .command('clickhouse')
    .description(
      'tables, each beside the old one, held against the ledger and exchanged; live goes on meanwhile',
    )
    .option('--table <tables...>', 'these alone')
    .option('--reason <text>', 'kept with the job')
    .option('--detach', 'print the job at once, and let it run')
  withGateway(clickhouse, 'print the report as JSON').action((options: RebuildOptions) =>
    line.run(async () => {
      const { rebuildCommand } = await import('./rebuild-command.js')
      return rebuildCommand({ ...options, ...(await line.gateway(options)) }, line.io)
    }),
  )
}
