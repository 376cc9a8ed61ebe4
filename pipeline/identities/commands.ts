// `weir identities ls|show|set|remove|import|merge|split|duplicates`: names and options.

import { type Command, Option } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  withGateway,
} from '../feature/command-line.js'
import { identityObjects } from '../feature/identity-lookup.js'

const load = () => import('./identities-command.js')
const loadMerging = () => import('./merge-command.js')

type ListOptions = GatewayOptions & {
  readonly object?: string
  readonly ours?: string
  readonly system?: string
  readonly theirs?: string
}
type ReasonOptions = GatewayOptions & { readonly reason: string }
type SetOptions = ReasonOptions & { readonly object: string; readonly insteadOf?: string }

export const identitiesCommands: DeclareCommands = (program, line) => {
  const identities = program
    .command('identities')
    .description('which of our customers, plans, prices and entities other systems mean by their ids')
  const ls = identities
    .command('ls')
    .description('the ids that other systems have for ours')
    .addOption(objectOption('only of this kind'))
    .option('--ours <id>', 'only of this one of ours')
    .option('--system <name>', 'only of this system')
    .option('--theirs <id>', 'only this id of theirs')
  withGateway(ls, 'print the identities as JSON').action((options: ListOptions) =>
    line.run(async () =>
      (await load()).listCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )
  const show = identities.command('show').description('every id of one of ours').argument('<ours>')
  withGateway(show, 'print the identities as JSON').action((ours: string, options: GatewayOptions) =>
    line.run(async () => (await load()).listCommand({ ours, ...(await line.gateway(options)) }, line.io)),
  )
  declareChanges(identities, line)
  declareMerging(identities, line)
}

function declareChanges(identities: Command, line: CommandLine): void {
  const set = identities
    .command('set')
    .description('say which of ours an id of another system means; what waits for it is freed')
    .argument('<system>')
    .argument('<theirs>')
    .argument('<ours>')
    .addOption(objectOption('the kind of object').default('customer'))
    .option('--instead-of <ours>', 'whose it was, when it is to be moved')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(set, 'print the identity as JSON').action(
    (system: string, theirs: string, ours: string, options: SetOptions) =>
      line.run(async () => {
        const args = { ...options, system, theirs, ours, ...(await line.gateway(options)) }
        return (await load()).setCommand(args, line.io)
      }),
  )
  const remove = identities
    .command('remove')
    .description('remove an identity that was set')
    .argument('<system>')
    .argument('<theirs>')
    .addOption(objectOption('the kind of object').default('customer'))
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(remove, 'print what was removed as JSON').action(
    (system: string, theirs: string, options: ReasonOptions & { readonly object: string }) =>
      line.run(async () => {
        const args = { ...options, system, theirs, ...(await line.gateway(options)) }
        return (await load()).removeCommand(args, line.io)
      }),
  )
  const bring = identities
    .command('import')
    .description(
      'set identities from a file: CSV with the columns object, system, theirs, ours, or the same as a YAML list',
    )
    .argument('<file>')
    .option('--dry-run', 'only say what would become of each')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(bring, 'print what became of each as JSON').action(
    (file: string, options: ReasonOptions & { readonly dryRun?: boolean }) =>
      line.run(async () =>
        (await load()).importCommand({ ...options, file, ...(await line.gateway(options)) }, line.io),
      ),
  )
}

function objectOption(description: string): Option {
  return new Option('--object <kind>', description).choices([...identityObjects])
}

function declareMerging(identities: Command, line: CommandLine): void {
  const merge = identities
    .command('merge')
    .description(
      'let the ids of one customer mean another from now on: shows what it does, and does it with --yes',
    )
    .argument('<from>')
    .requiredOption('--into <customer>', 'the customer that stands for both')
    .option('--yes', 'do it')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(merge, 'print what it does as JSON').action(
    (from: string, options: ReasonOptions & { readonly into: string; readonly yes?: boolean }) =>
      line.run(async () =>
        (await loadMerging()).mergeCommand({ ...options, from, ...(await line.gateway(options)) }, line.io),
      ),
  )
  const split = identities
    .command('split')
    .description('take a merge back: from now on the ids of the customer mean itself again')
    .argument('<customer>')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(split, 'print the customer as JSON').action((customer: string, options: ReasonOptions) =>
    line.run(async () =>
      (await loadMerging()).splitCommand({ ...options, customer, ...(await line.gateway(options)) }, line.io),
    ),
  )
  const duplicates = identities
    .command('duplicates')
    .description('customers with the same id in another system, tax id or domain')
  withGateway(duplicates, 'print the groups as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await loadMerging()).duplicatesCommand(await line.gateway(options), line.io)),
  )
}
