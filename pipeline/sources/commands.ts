// `weir sources ls|show|test|rerun|retry`: names and options.

import type { Command } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'

const load = () => import('./sources-command.js')

type ShowOptions = GatewayOptions & { readonly state?: string; readonly limit?: number }
type RetryOptions = GatewayOptions & { readonly reason: string }
type RerunOptions = RetryOptions & { readonly from: string; readonly until: string; readonly yes?: boolean }

export const sourcesCommands: DeclareCommands = (program, line) => {
  const sources = program
    .command('sources')
    .description('systems of record that send to us: what came, what became of it, what waits')
  const ls = sources.command('ls').description('the sources and how they stand')
  withGateway(ls, 'print the answer as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await load()).listCommand(await line.gateway(options), line.io)),
  )
  const show = sources
    .command('show')
    .description('the arrivals of a source, the newest first; or one of them')
    .argument('<source>')
    .argument('[arrival]')
    .option('--state <state>', 'mapped, ignored, waiting or superseded')
    .option('--limit <count>', 'at most so many (default: 20)', wholeNumber)
  withGateway(show, 'print the answer as JSON').action(
    (source: string, arrival: string | undefined, options: ShowOptions) =>
      line.run(async () => {
        const args = { ...options, source, arrival, ...(await line.gateway(options)) }
        return (await load()).showCommand(args, line.io)
      }),
  )
  declareTest(sources, line)
  declareActs(sources, line)
}

function declareTest(sources: Command, line: CommandLine): void {
  sources
    .command('test')
    .description('run the tests that stand in a mapping file; needs no running Weir')
    .argument('<file>', 'a mapping file')
    .option('--kind <kind>', 'the kind of source', 'standard')
    .option('--body <file>', 'say what becomes of this body instead')
    .option('--json', 'print the verdicts as JSON')
    .action((file: string, options: { kind: string; body?: string; json?: boolean }) =>
      line.run(async () => (await import('./test-command.js')).testCommand({ ...options, file }, line.io)),
    )
}

function declareActs(sources: Command, line: CommandLine): void {
  const retry = sources
    .command('retry')
    .description('try again now what waits: all of a source, or those that are named')
    .argument('<source>')
    .argument('[arrivals...]')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(retry, 'print the answer as JSON').action(
    (source: string, arrivals: string[], { reason, ...options }: RetryOptions) =>
      line.run(async () => {
        const args = { source, arrivals, reason, ...(await line.gateway(options)) }
        return (await load()).retryCommand(args, line.io)
      }),
  )
  const rerun = sources
    .command('rerun')
    .description(
      'run the mapping in force again over what came in a time; says what differs and sends it with --yes',
    )
    .argument('<source>')
    .requiredOption('--from <instant>', 'received at or after')
    .requiredOption('--until <instant>', 'received before')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
    .option('--yes', 'send what differs')
  withGateway(rerun, 'print the answer as JSON').action((source: string, options: RerunOptions) =>
    line.run(async () => {
      const { from, until, reason, yes = false } = options
      const args = { source, from, until, reason, yes, ...(await line.gateway(options)) }
      return (await load()).rerunCommand(args, line.io)
    }),
  )
}
