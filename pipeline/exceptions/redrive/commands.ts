// `weir exceptions redrive` and `weir exceptions undo-redrive`: their options.

import { type Command, InvalidArgumentError } from 'commander'
import {
  type CommandLine,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../../feature/command-line.js'
import { withFilter } from '../filter-options.js'
import type { RedriveArguments } from './redrive-command.js'

type RedriveOptions = GatewayOptions & Omit<RedriveArguments, 'gateway' | 'json'>

const load = () => import('./redrive-command.js')

/** Adds the commands below `weir exceptions`. */
export function declareRedrive(exceptions: Command, line: CommandLine): void {
  const redrive = exceptions
    .command('redrive')
    .description('mend what failed and send it through again; without --yes it is only looked at')
    .option('--transform <file>', 'steps that mend each event: YAML or JSON')
    .option('--set <pointer=value...>', 'set a field, such as /data/tokens=0 or /subject=acme', pairs)
    .option('--rate <count>', 'events per second, at most', wholeNumber)
    .option('--reason <text>', 'kept with the job and in the audit trail')
    .option('--dry-run', 'try it on a copy of the state; nothing is sent')
    .option('--yes', 'start it, and follow it to its end')
  withGateway(withFilter(redrive), 'print what the API answers').action((options: RedriveOptions) =>
    line.run(async () =>
      (await load()).redriveCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )

  const undo = exceptions
    .command('undo-redrive')
    .description('put the events of a redrive back as they came, where nothing of it was billed yet')
    .argument('<job>')
  withGateway(undo, 'print the job as JSON').action((job: string, options: GatewayOptions) =>
    line.run(async () =>
      (await load()).undoRedriveCommand({ job, ...(await line.gateway(options)) }, line.io),
    ),
  )
}

type Pairs = readonly (readonly [string, string])[]

function pairs(text: string, before: Pairs = []): Pairs {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It is written key=value.')
  return [...before, [text.slice(0, at), text.slice(at + 1)]]
}
