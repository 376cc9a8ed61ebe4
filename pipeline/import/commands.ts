// `weir import stripe|lago|openmeter|compare|apply`: names and options.

import type { Command } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  withGateway,
} from '../feature/command-line.js'
import type { ImportArguments } from './import-command.js'

const names = ['stripe', 'lago', 'openmeter'] as const
type Name = (typeof names)[number]

export const importCommands: DeclareCommands = (program, line) => {
  const bring = program
    .command('import')
    .description(
      'take over customers, plans, subscriptions and usage of another billing system, and compare what both bill',
    )
  for (const name of names) declareSystem(bring, name, line)
  declareCompare(bring, line)
  declareApply(bring, line)
}

function declareSystem(bring: Command, name: Name, line: CommandLine): void {
  bring
    .command(name)
    .description(
      'write a catalog, identities, events and a report, from its exports or its API; nothing is sent to a Weir',
    )
    .option('--from-file <paths...>', 'files or folders of its exports, JSON or NDJSON')
    .option(
      '--api <url>',
      'its API; what is read is kept below the folder of --out, and a read that was cut off goes on',
    )
    .option('--key-file <file>', 'the key for its API')
    .option('--key-variable <name>', 'the variable that holds the key')
    .requiredOption(
      '--period <period>',
      'a month such as 2026-10, or FROM/UNTIL: service periods that begin in it are taken',
    )
    .option('--timezone <name>', 'in which a month or a day begins', 'UTC')
    .requiredOption('--out <folder>', 'where the files are written')
    .option('--system <name>', 'whose ids they are, among the identities', 'billing')
    .option(
      '--customer-key <field>',
      'the field of metadata that holds our id of a customer (default: their id is ours)',
    )
    .option('--force', 'write over files that were changed by hand')
    .option('--json', 'print the report as JSON')
    .action((options: Omit<ImportArguments, 'name'>) =>
      line.run(async () =>
        (await import('./import-command.js')).importCommand({ ...options, name }, line.io, line.env),
      ),
    )
}

type CompareOptions = GatewayOptions & {
  readonly period?: string
  readonly accept?: string
  readonly live?: boolean
}

function declareCompare(bring: Command, line: CommandLine): void {
  const compare = bring
    .command('compare')
    .description(
      'what the other system billed beside what is owed here, to the last digit, with the reason of each difference',
    )
    .argument('<folder>', 'of an import')
    .option('--period <period>', 'a part of it (default: that of the import)')
    .option('--accept <reasons>', 'reasons, with commas, that do not count: tax,rounding')
    .option('--live', 'compare what a running Weir owes (default: the files are rated here)')
  withGateway(compare, 'print the report as JSON').action((folder: string, options: CompareOptions) =>
    line.run(async () => {
      const { url, apiKey: _apiKey, live, ...rest } = options
      const asked =
        live === true || url !== undefined ? { gateway: (await line.gateway(options)).gateway } : {}
      const { compareCommand } = await import('./compare/compare-command.js')
      return compareCommand({ folder, ...rest, ...asked }, line.io)
    }),
  )
}

function declareApply(bring: Command, line: CommandLine): void {
  const apply = bring
    .command('apply')
    .description(
      'send the files of an import to a running Weir: catalog, identities, events; says what it would do without --yes',
    )
    .argument('<folder>', 'of an import')
    .option('--yes', 'do it')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(apply, 'print what was sent as JSON').action(
    (folder: string, options: GatewayOptions & { readonly yes?: boolean; readonly reason: string }) =>
      line.run(async () => {
        const args = { folder, ...options, ...(await line.gateway(options)) }
        return (await import('./apply-command.js')).applyCommand(args, line.io)
      }),
  )
}
