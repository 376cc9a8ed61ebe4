// `weir exceptions ls|show|rules|discard|undo`, and `weir dead-letters ls|show|discard|undo`, the same for events refused. How
// both are redriven is in redrive/commands.ts.

import type { Command } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  wholeNumber,
  withGateway,
} from '../feature/command-line.js'
import { type FilterOptions, withFilter } from './filter-options.js'
import { declareRedrive, declareUndoRedrive } from './redrive/commands.js'

type ListOptions = GatewayOptions &
  FilterOptions & {
    readonly groupBy?: string
    readonly each?: boolean
    readonly resolved?: boolean
    readonly limit?: number
  }
type AnswerOptions = GatewayOptions & FilterOptions & { readonly reason: string; readonly yes?: boolean }

const load = () => import('./exceptions-command.js')

export const exceptionsCommands: DeclareCommands = (program, line) => {
  const exceptions = program
    .command('exceptions')
    .description('what failed and waits for somebody: see it, group it, discard it')
  declareList(exceptions, line, 'exceptions')
  const rules = exceptions.command('rules').description('how they are grouped, and whose they are')
  withGateway(rules, 'print the rules as JSON').action((options: GatewayOptions) =>
    line.run(async () => (await load()).rulesCommand(await line.gateway(options), line.io)),
  )
  declareAnswers(exceptions, line, 'exceptions')
  declareRedrive(exceptions, line, 'exceptions')
  declareUndoRedrive(exceptions, line)

  const letters = program.command('dead-letters').description('the exceptions that are events refused')
  declareList(letters, line, 'dead_letters')
  declareAnswers(letters, line, 'dead_letters')
  declareRedrive(letters, line, 'dead_letters')
}

function declareList(parent: Command, line: CommandLine, of: 'exceptions' | 'dead_letters'): void {
  const path = of === 'exceptions' ? '/v1/exceptions' : '/v1/dead-letters'
  const ls = parent
    .command('ls')
    .description('groups with count, money at stake, owner and ageing; with --each one by one')
    .option('--group-by <rule>', 'a group rule (default: cause)')
    .option('--each', 'one line for each, the oldest first')
    .option('--resolved', 'those that are discarded, redriven or freed instead of the open ones')
    .option('--limit <count>', 'with --each: at most so many (default: 100)', wholeNumber)
  withGateway(withFilter(ls, of), 'print the answer as JSON').action((options: ListOptions) =>
    line.run(async () => {
      const { listCommand } = await load()
      return listCommand({ ...options, path, ...(await line.gateway(options)) }, line.io)
    }),
  )
  const show = parent.command('show').description('everything about one').argument('<id>')
  withGateway(show, 'print it as JSON').action((id: string, options: GatewayOptions) =>
    line.run(async () => (await load()).showCommand({ id, path, ...(await line.gateway(options)) }, line.io)),
  )
}

function declareAnswers(parent: Command, line: CommandLine, of: 'exceptions' | 'dead_letters'): void {
  const words = {
    discard: 'take them off the open list, with a reason; nothing is deleted',
    undo: 'take a discard back: they are open again',
  } as const
  for (const act of ['discard', 'undo'] as const) {
    const command = parent
      .command(act)
      .description(words[act])
      .requiredOption('--reason <text>', 'why; it is on the audit trail')
      .option('--yes', 'do it; without it, say how many and how much')
    withGateway(withFilter(command, of), 'print the answer as JSON').action((options: AnswerOptions) =>
      line.run(async () => {
        const { answerCommand } = await load()
        const filter = of === 'exceptions' ? options : { ...options, kind: ['dead_letter'] }
        return answerCommand({ ...filter, act, ...(await line.gateway(options)) }, line.io)
      }),
    )
  }
}
