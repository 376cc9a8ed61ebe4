// Declares `weir catalog diff|apply|show` and their options.

import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'
import { type ShownOptions, shown } from '../replay/commands.js'
import type { OfflineOptions } from './diff-command.js'

type DiffOptions = ShownOptions & OfflineOptions & { readonly against?: string }
type ApplyOptions = GatewayOptions &
  Pick<OfflineOptions, 'events' | 'month'> & { readonly against?: string; readonly yes?: boolean }

export const catalogCommands: DeclareCommands = (program, line) => {
  const catalog = program
    .command('catalog')
    .description('prices from files: what they change, and publishing them')
  const gatewayOf = (options: GatewayOptions & { readonly against?: string }) => async () => {
    const url = options.against ?? options.url
    return (await line.gateway({ ...options, ...(url === undefined ? {} : { url }) })).gateway
  }

  const diff = catalog
    .command('diff')
    .description("what files change, and who would pay how much more or less on a month's real usage")
    .argument('<files...>', 'YAML or JSON, together one catalog')
    .option('--against <url>', 'the same as --url')
    .option('--catalog <files...>', 'what is published, from files instead of a running Weir')
    .option('--events <files...>', 'CloudEvents to compare both on, instead of what the running Weir holds')
    .option('--month <month>', 'such as 2026-10, in UTC; default: the last that is over, of --events all')
  shown(diff).action((files: string[], options: DiffOptions) =>
    line.run(async () => {
      const { diffCommand } = await import('./diff-command.js')
      return diffCommand(
        { ...options, files, json: options.json === true, gateway: gatewayOf(options) },
        line.io,
      )
    }),
  )

  const apply = catalog
    .command('apply')
    .description('publish what is new in files, all or nothing; what is published never changes')
    .argument('<files...>', 'YAML or JSON, together one catalog')
    .option('--against <url>', 'the same as --url')
    .option('--yes', 'publish without asking; needed where there is no terminal')
    .option('--events <files...>', 'shows who would pay how much more or less on these CloudEvents')
    .option('--month <month>', 'shows it on what the running Weir holds of a month, or of --events')
  withGateway(apply, 'print what was published as JSON').action((files: string[], options: ApplyOptions) =>
    line.run(async () => {
      const { applyCommand } = await import('./apply-command.js')
      return applyCommand(
        {
          ...options,
          files,
          json: options.json === true,
          yes: options.yes === true,
          gateway: gatewayOf(options),
        },
        line.io,
      )
    }),
  )

  withGateway(
    catalog.command('show').description('everything that is published, as a catalog file in JSON'),
    'without line breaks',
  ).action((options: GatewayOptions) =>
    line.run(async () =>
      (await import('./show-command.js')).showCommand(await line.gateway(options), line.io),
    ),
  )
}
