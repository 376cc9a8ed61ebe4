// Declares `weir replay` and its options. The work is in replay-command.ts.

import { Option } from 'commander'
import { type DeclareCommands, type GatewayOptions, withGateway } from '../feature/command-line.js'
import type { ReplayArguments, Shown } from './replay-command.js'

export type ShownOptions = GatewayOptions & Omit<Shown, 'json' | 'gateway'>
type ReplayOptions = ShownOptions & Omit<ReplayArguments, keyof Shown | 'line'>

const load = () => import('./replay-command.js')

export const replayCommands: DeclareCommands = (program, line) => {
  const replay = program
    .command('replay')
    .description(
      'rate a stretch once more, by other terms or by this build, beside the live one; nothing live is touched',
    )
    .requiredOption('--from <instant>', 'charges whose service period begins from here on are compared')
    .requiredOption('--until <instant>', 'up to here; an instant, or a day in UTC')
    .option('--shadow', 'beside the live state; there is no other way')
    .option('--here', 'in this process, by this build, beside a live Weir of another one')
    .option('--catalog <file>', 'the terms that are tried; default: the published ones')
    .addOption(
      new Option('--source <source>', 'what is read again: the streams, or the rated rows')
        .choices(['auto', 'input', 'history'])
        .default('auto'),
    )
  shown(replay).action((options: ReplayOptions) =>
    line.run(async () => {
      const { replayCommand } = await load()
      return replayCommand({ ...options, line, ...(await line.gateway(options)) }, line.io)
    }),
  )
}

/** The options of whatever prints what a replay found. */
export function shown(command: Parameters<typeof withGateway>[0]) {
  command
    .option('--customer <id>', 'of one customer alone')
    .addOption(
      new Option('--format <format>', 'how the differences are printed').choices(['table', 'csv', 'json']),
    )
    .addOption(
      new Option('--by <what>', 'which differences are printed as CSV').choices([
        'charge',
        'customer',
        'price',
      ]),
    )
    .option('--reason <text>', 'kept with the job')
    .option('--detach', 'print the job at once, and let it run')
  return withGateway(command, 'the same as --format json')
}
