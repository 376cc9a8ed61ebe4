// `weir gates ls|show`: names and options.

import { Option } from 'commander'
import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

const load = () => import('./gates-command.js')

export const gatesCommands: DeclareCommands = (program, line) => {
  const gates = program
    .command('gates')
    .description('how the checks of customers stand (KYC, KYB, AML, VAT), and what they hold back')
  const ls = gates
    .command('ls')
    .description('customers of whom a status was told')
    .addOption(new Option('--gate <gate>', 'only of this one').choices(['kyc', 'kyb', 'aml', 'vat']))
    .option('--status <status>', 'only those that stand so, such as in_review or unknown')
    .option('--held', 'only those of which something is held')
  withGateway(ls, 'print the customers as JSON').action(
    (
      options: GatewayOptions & { readonly gate?: string; readonly status?: string; readonly held?: boolean },
    ) =>
      line.run(async () =>
        (await load()).listCommand({ ...options, ...(await line.gateway(options)) }, line.io),
      ),
  )
  const show = gates
    .command('show')
    .description('the checks of one customer, every status that was told, and what waits')
    .argument('<customer>')
  withGateway(show, 'print the customer as JSON').action((customer: string, options: GatewayOptions) =>
    line.run(async () => (await load()).showCommand({ customer, ...(await line.gateway(options)) }, line.io)),
  )
}
