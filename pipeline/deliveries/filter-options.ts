// The options that say which deliveries a command is about.

import type { Command } from 'commander'

export interface FilterOptions {
  readonly connection?: readonly string[]
  readonly state?: readonly string[]
  readonly kind?: readonly string[]
  readonly record?: readonly string[]
  readonly customer?: readonly string[]
  readonly entity?: readonly string[]
  readonly code?: readonly string[]
}

export function withFilter(command: Command): Command {
  return command
    .option('--connection <names...>', 'of these connections')
    .option('--state <states...>', 'in one of these states')
    .option('--kind <kinds...>', 'journal, release, batch_line, credit_note')
    .option('--record <ids...>', 'of these records, such as a journal_id')
    .option('--customer <ids...>', 'of these customers')
    .option('--entity <ids...>', 'of these entities')
    .option('--code <codes...>', 'whose last answer, or what holds them, has one of these codes')
}
