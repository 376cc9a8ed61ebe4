// `weir erase` and `weir reveal`.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

type ReasonOptions = GatewayOptions & { readonly reason: string }
type EraseOptions = ReasonOptions & { readonly yes?: boolean }

const load = () => import('./privacy-command.js')

export const privacyCommands: DeclareCommands = (program, line) => {
  const erase = program
    .command('erase')
    .description('destroy the key of a customer, so that the sealed personal data can never be read again')
    .argument('<customer>')
    .requiredOption('--reason <text>', 'kept in the audit trail')
    .option('--yes', 'do it; without it the command says what it would do')
  withGateway(erase, 'print the erasure as JSON').action((customer: string, options: EraseOptions) =>
    line.run(async () =>
      (await load()).eraseCommand({ ...options, customer, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const reveal = program
    .command('reveal')
    .description('show sealed values of a customer; needs a key with the scope reveal')
    .argument('<customer>')
    .argument('<values...>')
    .requiredOption('--reason <text>', 'kept in the audit trail')
  withGateway(reveal, 'print the values as JSON').action(
    (customer: string, values: readonly string[], options: ReasonOptions) =>
      line.run(async () =>
        (await load()).revealCommand(
          { ...options, customer, values, ...(await line.gateway(options)) },
          line.io,
        ),
      ),
  )
}
