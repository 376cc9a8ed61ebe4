// `weir sources ls|show|test|rerun|retry|catch-up|compare`: names and options.

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
  declareCatchUp(sources, line)
}

function declareTest(sources: Command, line: CommandLine): void {
  sources
    .command('test')
    .description('run the tests that stand in a mapping file; needs no running Weir')
    .argument('<file>', 'a mapping file')
    .option('--kind <kind>', 'the kind of source', 'standard')
    .option('--body <file>', 'say what becomes of this body instead')
    .option('--set <key=value...>', 'settings of the source, such as sold_from=order')
    .option('--json', 'print the verdicts as JSON')
    .action((file: string, options: { kind: string; body?: string; set?: string[]; json?: boolean }) =>
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

type CatchUpOptions = GatewayOptions & {
  readonly from?: string
  readonly until?: string
  readonly all?: boolean
  readonly reason?: string
}

function declareCatchUp(sources: Command, line: CommandLine): void {
  const load = () => import('./catch-up-command.js')
  const catchUp = sources
    .command('catch-up')
    .description('fetch what a source could not send: money first, then subscriptions, then the rest')
    .argument('<source>')
    .option('--from <instant>', 'what happened there at or after (default: as far back as it keeps events)')
    .option('--until <instant>', 'what happened there before (default: now)')
    .option('--all', 'everything, not only what the source knows that it could not deliver')
    .option('--reason <text>', 'why; it is on the audit trail')
  withGateway(catchUp, 'print the job as JSON').action((source: string, options: CatchUpOptions) =>
    line.run(async () => {
      const { from, until, all, reason } = options
      const args = { source, from, until, all, reason, ...(await line.gateway(options)) }
      return (await load()).catchUpCommand(args, line.io)
    }),
  )
  const compare = sources
    .command('compare')
    .description(
      "compare a source's subscriptions and customers with ours: what is missing, extra or different",
    )
    .argument('<source>')
    .option('--reason <text>', 'why; it is on the audit trail')
  withGateway(compare, 'print the differences as JSON').action(
    (source: string, { reason, ...options }: GatewayOptions & { readonly reason?: string }) =>
      line.run(async () => {
        const args = { source, reason, ...(await line.gateway(options)) }
        return (await load()).compareCommand(args, line.io)
      }),
  )
}
