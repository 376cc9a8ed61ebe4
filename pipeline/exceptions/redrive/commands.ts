// `weir exceptions redrive`, the same as `weir dead-letters redrive`, and `weir exceptions undo-redrive`: their options.

import { type Command, InvalidArgumentError } from 'commander'
import {
  type CommandLine,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../../feature/command-line.js'
import { withFilter } from '../filter-options.js'
import type { Pairs, RedriveArguments } from './redrive-command.js'

type RedriveOptions = GatewayOptions & Omit<RedriveArguments, 'gateway' | 'json' | 'path'>

const load = () => import('./redrive-command.js')

export function declareRedrive(parent: Command, line: CommandLine, of: 'exceptions' | 'dead_letters'): void {
  const path = of === 'exceptions' ? '/v1/exceptions/redrive' : '/v1/dead-letters/redrive'
  const redrive = parent
    .command('redrive')
    .description('mend what failed and send it through again; without --yes it is only looked at')
    .option('--filter <key=value...>', 'the filter by the keys of the API, such as code=invalid_value', pairs)
    .option('--transform <file>', 'steps that mend each event: YAML or JSON')
    .option('--set <pointer=value...>', 'set a field, such as /data/tokens=0 or /subject=acme', pairs)
    .option('--rate <count>', 'events per second, at most', wholeNumber)
    .option('--reason <text>', 'kept with the job and in the audit trail')
    .option('--dry-run', 'try it on a copy of the state; nothing is sent')
    .option('--yes', 'start it, and follow it to its end')
  withGateway(withFilter(redrive, of), 'print what the API answers').action((options: RedriveOptions) =>
    line.run(async () =>
      (await load()).redriveCommand({ ...options, path, ...(await line.gateway(options)) }, line.io),
    ),
  )
}

export function declareUndoRedrive(exceptions: Command, line: CommandLine): void {
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

function pairs(text: string, before: Pairs = []): Pairs {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It is written key=value.')
  return [...before, [text.slice(0, at), text.slice(at + 1)]]
}
