// Declares `weir demo` and its options. The work is in demo-command.ts.

import { Option } from 'commander'
import { type DeclareCommands, wholeNumber } from '../feature/command-line.js'
import type { DemoArguments } from './demo-command.js'
import { fakeErps } from './erp-kinds.js'

type DemoOptions = Omit<DemoArguments, 'env' | 'log'> & { readonly verbose?: boolean }

export const demoCommands: DeclareCommands = (program, line) => {
  program
    .command('demo')
    .description('run a month of traffic through a fresh Weir and check every total')
    .option('--trace <file>', 'CSV of LLM calls: TIMESTAMP,ContextTokens,GeneratedTokens')
    .option('--customers <count>', 'customers', wholeNumber, 500)
    .option('--events <count>', 'usage events without --trace', wholeNumber, 30_000)
    .addOption(
      new Option('--erp <kind>', 'end with the month in a fake ERP, reconciled with it').choices(fakeErps),
    )
    .option('--json', 'print the report as JSON')
    .option('--verbose', 'log to stderr')
    .action((options: DemoOptions) =>
      line.runUntilSignal(async () => {
        const { demoCommand } = await import('./demo-command.js')
        const log = await line.logger(options.verbose === true ? 'info' : 'silent')
        return demoCommand({ ...options, env: line.env, log }, line.io)
      }),
    )
}
