// `weir retention show|apply|forget`.

import { type DeclareCommands, wholeOrZero } from '../feature/command-line.js'

interface RetentionOptions {
  readonly keepDays?: number
  readonly yes?: boolean
  readonly json?: boolean
}

const load = () => import('./retention-command.js')
const keepDays = ['--keep-days <count>', 'what is younger stays (default: dedupe_horizon_days)'] as const

export const retentionCommands: DeclareCommands = (program, line) => {
  const retention = program
    .command('retention')
    .description('what the streams hold, and what of it is still needed')
  const retain = (options: RetentionOptions, apply: boolean) =>
    line.run(async () => {
      const { retentionCommand } = await load()
      const broker = await line.broker()
      const { keepDays = broker.config.dedupeHorizonDays, yes = false, json = false } = options
      return retentionCommand({ ...broker, keepDays, apply, yes, json }, line.io)
    })

  retention
    .command('show', { isDefault: true })
    .description('bytes and safe positions; changes nothing')
    .option(...keepDays, wholeOrZero)
    .option('--json', 'print the report as JSON')
    .action((options: RetentionOptions) => retain(options, false))

  retention
    .command('apply')
    .description('purge what no partition, snapshot or sink needs any more; without --yes it only tells')
    .option(...keepDays, wholeOrZero)
    .option('--yes', 'purge')
    .option('--json', 'print the report as JSON')
    .action((options: RetentionOptions) => retain(options, true))

  retention
    .command('forget')
    .description('give up a bucket that was lost and of which there is no backup')
    .argument('<bucket>')
    .option('--yes', 'for ever')
    .option('--json', 'print what was done as JSON')
    .action((bucket: string, { yes = false, json = false }: RetentionOptions) =>
      line.run(async () =>
        (await load()).forgetCommand({ ...(await line.broker()), bucket, yes, json }, line.io),
      ),
    )
}
