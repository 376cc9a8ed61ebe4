// `weir deliveries ls|show|retry|release|settle`: names and options.

import type { Command } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'
import { type FilterOptions, withFilter } from './filter-options.js'

type ListOptions = GatewayOptions & FilterOptions & { readonly limit?: number }
type SettleOptions = GatewayOptions & {
  readonly there?: string
  readonly absent?: boolean
  readonly reason: string
}
type RetryOptions = GatewayOptions & FilterOptions & { readonly reason: string; readonly yes?: boolean }

const load = () => import('./deliveries-command.js')

export const deliveriesCommands: DeclareCommands = (program, line) => {
  const deliveries = program
    .command('deliveries')
    .description('what became of each record at each connection; try again what was refused')
  const ls = withFilter(
    deliveries.command('ls').description('those that the filter takes, the oldest first'),
  ).option('--limit <count>', 'at most so many (default: 100)', wholeNumber)
  withGateway(ls, 'print the answer as JSON').action((options: ListOptions) =>
    line.run(async () =>
      (await load()).listCommand({ ...options, ...(await line.gateway(options)) }, line.io),
    ),
  )
  const show = deliveries
    .command('show')
    .description('one with its history: each attempt with code and words')
    .argument('<id>')
  withGateway(show, 'print it as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).showCommand({ id, ...(await line.gateway(options)) }, line.io)),
  )
  declareRetry(deliveries, line)
  declareSettle(deliveries, line)
  const release = deliveries
    .command('release')
    .description('let one go without waiting for the record that it corrects or releases')
    .argument('<id>')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(release, 'print the answer as JSON').action(
    (id: string, options: GatewayOptions & { readonly reason: string }) =>
      line.run(async () => {
        const args = { id, act: 'release' as const, reason: options.reason, ...(await line.gateway(options)) }
        return (await load()).askCommand(args, line.io)
      }),
  )
}

function declareSettle(deliveries: Command, line: CommandLine): void {
  const settle = deliveries
    .command('settle')
    .description('say what you found at the receiver of one that stays unclear')
    .argument('<id>')
    .option('--there <external id>', 'the receiver has it, under this id of its own')
    .option('--absent', 'the receiver does not have it: it is sent again under the same key')
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
  withGateway(settle, 'print the answer as JSON').action((id: string, options: SettleOptions) =>
    line.run(async () =>
      (await load()).settleCommand({ ...options, id, ...(await line.gateway(options)) }, line.io),
    ),
  )
}

function declareRetry(deliveries: Command, line: CommandLine): void {
  const retry = withFilter(
    deliveries
      .command('retry')
      .description('try again now: one by its id, or all refused ones that the filter takes')
      .argument('[id]'),
  )
    .requiredOption('--reason <text>', 'why; it is on the audit trail')
    .option('--yes', 'with a filter: do it; without it, say how many')
  withGateway(retry, 'print the answer as JSON').action((id: string | undefined, options: RetryOptions) =>
    line.run(async () => {
      const { askCommand, retryManyCommand } = await load()
      const args = { ...options, ...(await line.gateway(options)) }
      return id === undefined
        ? retryManyCommand(args, line.io)
        : askCommand({ ...args, id, act: 'retry' }, line.io)
    }),
  )
}
