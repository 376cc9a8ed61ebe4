// `weir systems-of-record ls|conflicts|show|resolve`: names and options.

import { Option } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  withGateway,
} from '../../feature/command-line.js'
import { ownedObjects } from './owner-rules.js'

const load = () => import('./owners-command.js')

type FilterOptions = GatewayOptions & {
  readonly object?: string
  readonly field?: string
  readonly system?: string
}
type ResolveOptions = GatewayOptions & {
  readonly system: string
  readonly keep?: boolean
  readonly take?: boolean
  readonly reason: string
}

export const systemsOfRecordCommands: DeclareCommands = (program, line) => {
  const owners = program
    .command('systems-of-record')
    .description('which system owns which field of customers and subscriptions, and where two disagree')
  const ls = owners.command('ls').description('the rules, by object and field')
  withGateway(ls, 'print the rules as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await load()).rulesCommand(await line.gateway(options), line.io)),
  )
  const conflicts = owners
    .command('conflicts')
    .description('where systems disagree: both values, who won, since when, and the events that said so')
    .addOption(new Option('--object <kind>', 'only of these').choices([...ownedObjects]))
    .option('--field <field>', 'only of this field')
    .option('--system <name>', 'only where this system disagrees, or owns the field')
  withGateway(conflicts, 'print the conflicts as JSON').action((options: FilterOptions) =>
    line.run(async () =>
      (await load()).conflictsCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )
  const show = owners
    .command('show')
    .description('one object as all systems tell it: what holds, and what each said last')
    .argument('<object>', ownedObjects.join(' or '))
    .argument('<id>')
  withGateway(show, 'print the object as JSON').action(
    (object: string, id: string, options: GatewayOptions) =>
      line.run(async () =>
        (await load()).showCommand({ object, id, ...(await line.gateway(options)) }, line.io),
      ),
  )
  declareResolve(owners, line)
}

function declareResolve(owners: Parameters<DeclareCommands>[0], line: CommandLine): void {
  const resolve = owners
    .command('resolve')
    .description('decide a conflict, as long as both systems say what they say now')
    .argument('<object>', ownedObjects.join(' or '))
    .argument('<id>')
    .argument('<field>')
    .requiredOption('--system <name>', 'the system that disagrees with the owner')
    .option('--keep', 'what holds stays')
    .option('--take', 'the value of the system holds, until the owner says another; of a customer')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(resolve, 'print what holds now as JSON').action(
    (object: string, id: string, field: string, options: ResolveOptions) =>
      line.run(async () => {
        const args = { ...options, object, id, field, ...(await line.gateway(options)) }
        return (await load()).resolveCommand(args, line.io)
      }),
  )
}
