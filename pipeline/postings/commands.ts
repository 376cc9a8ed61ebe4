// `weir releases create` and `weir periods ls|close|reopen`.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'

const load = () => import('./books-command.js')

type CloseOptions = GatewayOptions & { readonly entity: string; readonly preview?: boolean }

export const postingsCommands: DeclareCommands = (program, line) => {
  const releases = program.command('releases').description('post what is earned of deferred revenue')
  const create = releases
    .command('create')
    .description('post the months that are earned by a day, each once; a billing run does it for its cutoff')
    .requiredOption('--until <day>', 'the last day, such as 2026-10-31')
    .option('--entity <id>', 'of one entity alone')
    .option('--preview', 'say what it would post, and post nothing')
  withGateway(create, 'print the answer as JSON').action(
    (options: GatewayOptions & { until: string; entity?: string; preview?: boolean }) =>
      line.run(async () =>
        (await load()).createReleasesCommand({ ...options, ...(await line.gateway(options)) }, line.io),
      ),
  )

  const periods = program.command('periods').description('the periods of the accounting calendar')
  const ls = periods
    .command('ls')
    .description('open and closed periods')
    .option('--entity <id>', 'of one entity alone')
  withGateway(ls, 'print the periods as JSON').action((options: GatewayOptions & { entity?: string }) =>
    line.run(async () =>
      (await load()).listPeriodsCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const close = periods
    .command('close')
    .description('close a period; refused while something that belongs to it is not settled')
    .argument('<period>')
    .option('--entity <id>', 'whose books; default: of what has no entity', '')
    .option('--preview', 'say what would keep it open, and close nothing')
  withGateway(close, 'print the answer as JSON').action((period: string, options: CloseOptions) =>
    line.run(async () =>
      (await load()).closePeriodCommand({ ...options, period, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const reopen = periods
    .command('reopen')
    .description('open a closed period again')
    .argument('<period>')
    .option('--entity <id>', 'whose books; default: of what has no entity', '')
    .requiredOption('--reason <text>', 'why')
  withGateway(reopen, 'print the answer as JSON').action(
    (period: string, options: GatewayOptions & { entity: string; reason: string }) =>
      line.run(async () =>
        (await load()).reopenPeriodCommand({ ...options, period, ...(await line.gateway(options)) }, line.io),
      ),
  )
}
