// Declares `weir simulate` and its options. The work is in simulate-command.ts.

import type { DeclareCommands } from '../feature/command-line.js'
import type { SimulateArguments } from './simulate-command.js'

export const simulateCommands: DeclareCommands = (program, line) => {
  program
    .command('simulate')
    .description('rate events from files with no broker and no database')
    .requiredOption('--catalog <files...>', 'YAML or JSON')
    .requiredOption('--events <files...>', 'CloudEvents: one, an array, or NDJSON')
    .option('--as-of <instant>', 'charges of the periods that began before it (default: the latest event)')
    .option('--explain', 'show the arithmetic of every charge, line by line')
    .option('--json', 'print the object of the contract')
    .action((options: SimulateArguments) =>
      line.run(async () => {
        const { simulateCommand } = await import('./simulate-command.js')
        return simulateCommand(options, line.io)
      }),
    )
}
