#!/usr/bin/env node
// The command line: names, options and help. Each command's work is in the file of its name, loaded when it is asked for.

import { CommanderError, Option } from 'commander'
import { type Benchmark, type BenchOption, benchmarks } from '../../bench/benchmarks.js'
import { nearestHint } from '../../schemas/nearest-name.js'
import { environment } from '../environment.js'
import { scopes } from '../gateway/scopes.js'
import { exitCodes } from '../terminal/io.js'
import {
  brokerArguments,
  clientOf,
  configOf,
  Exit,
  endOnSignals,
  finish,
  type GatewayOptions,
  gatewayOf,
  io,
  logger,
  program,
  settingsHelp,
  wholeNumber,
  wholeOrZero,
} from './program.js'

// `weir simulate … | head` ends when its reader does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})

const urlDefault = 'a running Weir (default: the one of the data directory)'
const apiKeyDefault = 'default: $WEIR_API_KEY, or without --url the key of the data directory'

program
  .command('start')
  .description('run gateway, pipeline and sinks; NATS and ClickHouse too unless their URLs are configured')
  .option('--port <port>', 'HTTP port, 0 for a free one')
  .option('--host <host>', 'HTTP address to listen on')
  .option('--catalog <files...>', 'catalogs to publish when they are new')
  .option('--json', 'print one JSON object once it runs')
  .addHelpText('after', () => `\nSettings (variable):\n${settingsHelp()}`)
  .action(async (options: { port?: string; host?: string; catalog?: string[]; json?: boolean }) => {
    const flags = {
      'http.port': options.port,
      'http.host': options.host,
      catalog: options.catalog?.join(','),
    }
    const config = configOf(flags)
    const { startCommand } = await import('./start.js')
    await finish(startCommand({ config, json: options.json === true, log: logger(config.logLevel) }, io))
  })

program
  .command('demo')
  .description('run a month of traffic through a fresh Weir and check every total')
  .option('--trace <file>', 'CSV of LLM calls: TIMESTAMP,ContextTokens,GeneratedTokens')
  .option('--customers <count>', 'customers', wholeNumber, 500)
  .option('--events <count>', 'usage events without --trace', wholeNumber, 30_000)
  .option('--json', 'print the report as JSON')
  .option('--verbose', 'log to stderr')
  .action(
    async (options: {
      trace?: string
      customers: number
      events: number
      json?: boolean
      verbose?: boolean
    }) => {
      const { demoCommand } = await import('../demo/command.js')
      const { trace, customers, events, json, verbose } = options
      const log = logger(verbose === true ? 'info' : 'silent')
      const args = { customers, events, json: json === true, env: environment(), log }
      endOnSignals()
      await finish(demoCommand(trace === undefined ? args : { ...args, trace }, io))
    },
  )

program
  .command('simulate')
  .description('rate events from files with no broker and no database')
  .requiredOption('--catalog <files...>', 'YAML or JSON')
  .requiredOption('--events <files...>', 'CloudEvents: one, an array, or NDJSON')
  .option('--as-of <instant>', 'charges of the periods that began before it (default: the latest event)')
  .option('--explain', 'show the arithmetic of every charge, line by line')
  .option('--json', 'print the object of the contract')
  .action(async (options: SimulateOptions) => {
    const { simulateCommand } = await import('../simulate/command.js')
    await finish(simulateCommand({ ...options, json: options.json === true }, io))
  })

program
  .command('validate')
  .description('check configurations and catalogs')
  .argument('<files...>')
  .option('--json', 'print the verdicts as JSON')
  .action(async (files: string[], options: { json?: boolean }) => {
    const { validateCommand } = await import('./validate.js')
    await finish(validateCommand({ files, json: options.json === true }, io))
  })

program
  .command('reconcile')
  .description('the conservation law, and ingest = rated = billed = posted = ClickHouse')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the report as JSON')
  .action(async (options: { url?: string; apiKey?: string; json?: boolean }) => {
    const { askGateway, reconcileCommand } = await import('../reconcile/command.js')
    const gateway = gatewayOf(options)
    await finish(reconcileCommand({ read: () => askGateway(gateway), json: options.json === true }, io))
  })

const billing = program.command('billing-run').description('seal what is due, and see the batches')

billing
  .command('create')
  .description('seal the charges that are due by the cutoff, and adjust what was billed and has changed')
  .requiredOption('--cutoff <instant>', 'RFC 3339 instant')
  .option('--entity <id>', 'of one entity alone')
  .option('--idempotency-key <key>', 'a further run with the same cutoff needs a key of its own')
  .option('--preview', 'say what the run would bill, and bill nothing')
  .option('--wait', 'until the batches are published')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the run as JSON')
  .action(
    async (
      options: GatewayOptions & {
        cutoff: string
        entity?: string
        idempotencyKey?: string
        preview?: boolean
        wait?: boolean
      },
    ) => {
      const { createCommand } = await import('../billing/command.js')
      const { cutoff, entity, idempotencyKey, preview = false, wait = false } = options
      const args = { gateway: gatewayOf(options), cutoff, preview, wait, json: options.json === true }
      await finish(
        createCommand(
          {
            ...args,
            ...(entity === undefined ? {} : { entity }),
            ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          },
          io,
        ),
      )
    },
  )

billing
  .command('show')
  .description('status and totals of a run')
  .argument('<id>')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the run as JSON')
  .action(async (id: string, options: GatewayOptions) => {
    const { showCommand } = await import('../billing/command.js')
    await finish(showCommand({ gateway: gatewayOf(options), id, json: options.json === true }, io))
  })

billing
  .command('batches')
  .description('the sealed batches of a run')
  .argument('<id>')
  .option('--after <batch>', 'those that follow this batch')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the batches as JSON, lines included')
  .action(async (id: string, options: GatewayOptions & { after?: string }) => {
    const { batchesCommand } = await import('../billing/command.js')
    const args = { gateway: gatewayOf(options), id, json: options.json === true }
    await finish(batchesCommand(options.after === undefined ? args : { ...args, after: options.after }, io))
  })

const retention = program
  .command('retention')
  .description('what the streams hold, and what of it is still needed')

retention
  .command('show', { isDefault: true })
  .description('bytes and safe positions; changes nothing')
  .option('--keep-days <count>', 'what is younger stays (default: dedupe_horizon_days)', wholeOrZero)
  .option('--json', 'print the report as JSON')
  .action(async (options: RetentionOptions) => {
    const { retentionCommand } = await import('../retention/command.js')
    await finish(retentionCommand({ ...(await retentionArguments(options)), apply: false, yes: false }, io))
  })

retention
  .command('apply')
  .description('purge what no partition, snapshot or sink needs any more; without --yes it only tells')
  .option('--keep-days <count>', 'what is younger stays (default: dedupe_horizon_days)', wholeOrZero)
  .option('--yes', 'purge')
  .option('--json', 'print the report as JSON')
  .action(async (options: RetentionOptions & { yes?: boolean }) => {
    const { retentionCommand } = await import('../retention/command.js')
    const args = { ...(await retentionArguments(options)), apply: true, yes: options.yes === true }
    await finish(retentionCommand(args, io))
  })

retention
  .command('forget')
  .description('give up a bucket that was lost and of which there is no backup')
  .argument('<bucket>')
  .option('--yes', 'for ever')
  .action(async (bucket: string, options: { yes?: boolean }) => {
    const { forgetCommand } = await import('../retention/command.js')
    await finish(forgetCommand({ ...(await brokerArguments()), bucket, yes: options.yes === true }, io))
  })

const keys = program.command('keys').description('API keys: what each may do, and until when')

keys
  .command('create')
  .description('make a key; its token is shown this once')
  .requiredOption('--name <text>', 'who uses the key, and for what')
  .addOption(
    new Option('--scope <scopes...>', 'what it may do').choices([...scopes]).makeOptionMandatory(true),
  )
  .option('--expires <instant>', 'RFC 3339 instant; default: never')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the key as JSON')
  .action(async (options: GatewayOptions & { name: string; scope: string[]; expires?: string }) => {
    const { createKeyCommand } = await import('../keys/command.js')
    const { name, scope, expires } = options
    const args = { ...clientOf(options), name, scopes: scope }
    await finish(createKeyCommand(expires === undefined ? args : { ...args, expires }, io))
  })

keys
  .command('ls')
  .description('all keys, revoked and expired ones too')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the keys as JSON')
  .action(async (options: GatewayOptions) => {
    const { listKeysCommand } = await import('../keys/command.js')
    await finish(listKeysCommand(clientOf(options), io))
  })

keys
  .command('rotate')
  .description('make a key with the same name and scopes; the old one expires after an overlap')
  .argument('<id>')
  .option('--overlap-seconds <count>', 'how long the old key goes on (default: a day)', wholeNumber)
  .option('--expires <instant>', 'of the new key; default: never')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the key as JSON')
  .action(async (id: string, options: GatewayOptions & { overlapSeconds?: number; expires?: string }) => {
    const { rotateKeyCommand } = await import('../keys/command.js')
    const { overlapSeconds, expires } = options
    const args = {
      ...clientOf(options),
      id,
      ...(overlapSeconds === undefined ? {} : { overlapSeconds }),
      ...(expires === undefined ? {} : { expires }),
    }
    await finish(rotateKeyCommand(args, io))
  })

keys
  .command('revoke')
  .description('end a key, at once and for ever')
  .argument('<id>')
  .option('--url <url>', urlDefault)
  .option('--api-key <key>', apiKeyDefault)
  .option('--json', 'print the key as JSON')
  .action(async (id: string, options: GatewayOptions) => {
    const { revokeKeyCommand } = await import('../keys/command.js')
    await finish(revokeKeyCommand({ ...clientOf(options), id }, io))
  })

const bench = program
  .command('bench')
  .description('measure this machine; every run ends in an independent sum')

for (const [name, { measures, options: own }] of Object.entries(benchmarks)) {
  const takes: readonly BenchOption[] = own
  const command = bench
    .command(name)
    .description(measures)
    .option('--events <count>', 'events to send, duplicates included', wholeNumber, 1_000_000)
    .option('--customers <count>', 'customers, by Zipf', wholeNumber, 50_000)
    .option('--seed <number>', 'the same seed, the same events', wholeNumber, 1)
  if (takes.includes('rounds')) command.option('--rounds <count>', 'how often to repeat it', wholeNumber, 3)
  if (takes.includes('rate')) {
    command.option('--rate <count>', 'events a second, instead of half of the full rate', wholeNumber)
  }
  command
    .option('--json', 'print the report as JSON')
    .option('--verbose', 'log to stderr')
    .action(async (options: BenchFlags) => {
      const { benchCommand } = await import('../../bench/command.js')
      const { events, customers, seed, rounds, rate, json, verbose } = options
      const log = logger(verbose === true ? 'info' : 'error')
      const figures = {
        events,
        customers,
        seed,
        ...(rounds === undefined ? {} : { rounds }),
        ...(rate === undefined ? {} : { rate }),
      }
      const args = { ...figures, json: json === true, env: environment(), log }
      endOnSignals()
      await finish(benchCommand({ ...args, benchmark: name as Benchmark }, io))
    })
}

interface RetentionOptions {
  readonly keepDays?: number
  readonly json?: boolean
}

async function retentionArguments({ keepDays, json }: RetentionOptions) {
  const broker = await brokerArguments()
  return { ...broker, keepDays: keepDays ?? broker.config.dedupeHorizonDays, json: json === true }
}

interface SimulateOptions {
  readonly catalog: readonly string[]
  readonly events: readonly string[]
  readonly asOf?: string
  readonly explain?: boolean
  readonly json?: boolean
}

interface BenchFlags {
  readonly events: number
  readonly customers: number
  readonly seed: number
  readonly rounds?: number
  readonly rate?: number
  readonly json?: boolean
  readonly verbose?: boolean
}

/** Commander answers `--help` before it has looked whether the command exists. */
function refuseUnknownCommand(args: readonly string[]): void {
  let command = program
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at]!
    if (arg === '--config' || arg === '--data-dir') at += 1
    else if (!arg.startsWith('-')) {
      const next = command.commands.find(one => one.name() === arg)
      if (next === undefined && command.commands.length > 0 && arg !== 'help') {
        command.error(
          `error: there is no command '${arg}'${nearestHint(
            arg,
            command.commands.map(one => one.name()),
          )}`,
        )
      }
      if (next === undefined) return
      command = next
    }
  }
}

try {
  refuseUnknownCommand(process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  if (error instanceof Exit) process.exitCode = error.code
  else if (error instanceof CommanderError)
    process.exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  else {
    io.stderr.write(`weir: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = exitCodes.failed
  }
}
