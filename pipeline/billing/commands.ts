// `weir billing-run create|show|batches` and `weir billing hold|release|holds`.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'
import type { CreateArguments } from './billing-run-command.js'

type CreateOptions = GatewayOptions & Omit<CreateArguments, 'gateway' | 'json'>

interface HoldOptions extends GatewayOptions {
  readonly subscription?: string
  readonly reason: string
}

const loadHolds = () => import('./hold-command.js')
const load = () => import('./billing-run-command.js')

export const billingCommands: DeclareCommands = (program, line) => {
  declareRuns(program, line)
  declareHolds(program, line)
}

const declareHolds: DeclareCommands = (program, line) => {
  const billing = program
    .command('billing')
    .description('hold a customer back from billing runs, and release')
  const one = (name: string, description: string) =>
    billing
      .command(name)
      .description(description)
      .argument('<customer>')
      .option('--subscription <id>', 'this subscription alone')
      .requiredOption('--reason <text>', 'goes into the audit trail')
  withGateway(
    one('hold', 'leave a customer out of billing runs, its corrections too'),
    'print the hold as JSON',
  ).action((customer: string, options: HoldOptions) =>
    line.run(async () =>
      (await loadHolds()).holdCommand({ ...options, customer, ...(await line.gateway(options)) }, line.io),
    ),
  )
  withGateway(one('release', 'let the next run bill what was left out'), 'print the hold as JSON').action(
    (customer: string, options: HoldOptions) =>
      line.run(async () =>
        (await loadHolds()).releaseCommand(
          { ...options, customer, ...(await line.gateway(options)) },
          line.io,
        ),
      ),
  )
  const holds = billing
    .command('holds')
    .description('what is held back, and what was left out and is not billed yet')
  withGateway(holds, 'print them as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await loadHolds()).holdsCommand(await line.gateway(options), line.io)),
  )
}

const declareRuns: DeclareCommands = (program, line) => {
  const billing = program.command('billing-run').description('seal what is due, and see the batches')

  const create = billing
    .command('create')
    .description('seal the charges that are due by the cutoff, and adjust what was billed and has changed')
    .requiredOption('--cutoff <instant>', 'RFC 3339 instant')
    .option('--entity <id>', 'of one entity alone')
    .option('--customer <id>', 'of one customer alone')
    .option('--idempotency-key <key>', 'a further run with the same cutoff needs a key of its own')
    .option('--preview', 'say what the run would bill, and bill nothing')
    .option('--wait', 'until the batches are published')
  withGateway(create, 'print the run as JSON').action((options: CreateOptions) =>
    line.run(async () => {
      const { createCommand } = await load()
      return createCommand({ ...options, ...(await line.gateway(options)) }, line.io)
    }),
  )

  const show = billing.command('show').description('status and totals of a run').argument('<id>')
  withGateway(show, 'print the run as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).showCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )

  const batches = billing
    .command('batches')
    .description('the sealed batches of a run')
    .argument('<id>')
    .option('--after <batch>', 'those that follow this batch')
  withGateway(batches, 'print the batches as JSON, lines included').action(
    (id: string, options: GatewayOptions & { readonly after?: string }) =>
      line.run(async () => {
        const { batchesCommand } = await load()
        return batchesCommand({ ...options, id, ...(await line.gateway(options)) }, line.io)
      }),
  )
}
