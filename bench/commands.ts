// `weir bench …`: one command for each benchmark.

import { type DeclareCommands, wholeNumber } from '../pipeline/feature/command-line.js'
import type { BenchArguments } from './bench-command.js'
import { type Benchmark, type BenchOption, benchmarks } from './benchmarks.js'

type BenchFlags = Omit<BenchArguments, 'benchmark' | 'env' | 'log'> & { readonly verbose?: boolean }

/** `explain` puts its events into ClickHouse by SQL. */
function defaultEvents(name: string): number {
  return name === 'explain' ? 10_000_000 : 1_000_000
}

export const benchCommands: DeclareCommands = (program, line) => {
  const bench = program
    .command('bench')
    .description('measure this machine; every run ends in an independent sum')
  for (const [name, { measures, options: own }] of Object.entries(benchmarks)) {
    const takes: readonly BenchOption[] = own
    const command = bench
      .command(name)
      .description(measures)
      .option('--events <count>', 'events to send, duplicates included', wholeNumber, defaultEvents(name))
      .option('--customers <count>', 'customers, by Zipf', wholeNumber, 50_000)
      .option('--seed <number>', 'the same seed, the same events', wholeNumber, 1)
    if (takes.includes('rounds')) command.option('--rounds <count>', 'how often to repeat it', wholeNumber, 3)
    if (takes.includes('rate')) {
      command.option('--rate <count>', 'events a second, instead of half of the full rate', wholeNumber)
    }
    command
      .option('--json', 'print the report as JSON')
      .option('--verbose', 'log to stderr')
      .action((flags: BenchFlags) =>
        line.runUntilSignal(async () => {
          const { benchCommand } = await import('./bench-command.js')
          const log = await line.logger(flags.verbose === true ? 'info' : 'error')
          return benchCommand({ ...flags, env: line.env, log, benchmark: name as Benchmark }, line.io)
        }),
      )
  }
}
