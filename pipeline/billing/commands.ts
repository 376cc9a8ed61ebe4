// `weir billing-run create|show|batches`.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'
import type { CreateArguments } from './billing-run-command.js'

type CreateOptions = GatewayOptions & Omit<CreateArguments, 'gateway' | 'json'>

const load = () => import('./billing-run-command.js')

export const billingCommands: DeclareCommands = (program, line) => {
  const billing = program.command('billing-run').description('seal what is due, and see the batches')

  const create = billing
    .command('create')
    .description('seal the charges that are due by the cutoff, and adjust what was billed and has changed')
    .requiredOption('--cutoff <instant>', 'RFC 3339 instant')
    .option('--entity <id>', 'of one entity alone')
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
