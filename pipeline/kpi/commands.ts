// Declares `weir kpi` and its options. The work is in kpi-command.ts.

import { Option } from 'commander'
import {
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'
import { roleNames } from './roles.js'

interface KpiOptions extends GatewayOptions {
  readonly role?: string
  readonly days?: number
}

export const kpiCommands: DeclareCommands = (program, line) => {
  const kpi = program
    .command('kpi')
    .description('the figures of finance, integration and platform, held against their targets')
    .addOption(new Option('--role <role>', 'the list of one role').choices([...roleNames]))
    .option('--days <count>', 'how many days back, today included (default: 7)', wholeNumber)
  withGateway(kpi, 'print the figures as JSON').action((options: KpiOptions) =>
    line.run(async () => {
      const { kpiCommand } = await import('./kpi-command.js')
      const { role, days } = options
      return kpiCommand({ ...(await line.gateway(options)), role, days }, line.io)
    }),
  )
}
