// The command line that commands are declared on: it loads the configuration, finds the running Weir, makes the logger and
// sets the exit code. It loads a module that is slow to load only when a command needs it.

import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { packageRoot } from '../../schemas/package-root.js'
import { environment, version } from '../environment.js'
import type { CommandLine } from '../feature/command-line.js'
import { sections } from '../settings.js'
import { harmlessText } from '../terminal/harmless-text.js'
import { type CliIo, exitCodes } from '../terminal/io.js'

interface GlobalOptions {
  readonly config?: string
  readonly dataDir?: string
}

const io: CliIo = {
  stdout: { write: text => process.stdout.write(harmlessText(text)) },
  stderr: { write: text => process.stderr.write(harmlessText(text)) },
  isTTY: process.stdout.isTTY === true,
}

/** Ends a command with an exit code that is not its own. */
export class Exit extends Error {
  readonly code: number
  constructor(code: number) {
    super()
    this.code = code
  }
}

export const program = new Command('weir')
  .description('Usage events in, rated money out: exact, once, and traceable.')
  .version(version)
  .option('--config <file>', 'YAML configuration (default: $WEIR_CONFIG)')
  .option('--data-dir <folder>', 'where the embedded servers keep their data')
  .exitOverride()
  .showHelpAfterError('(weir --help tells how)')
  .addHelpText(
    'after',
    `
Settings come from the file of --config, from variables and from flags, in rising order. Each setting of the file has a
variable: http.port is WEIR_HTTP_PORT. \`weir start --help\` lists them all.`,
  )

/** Resolves when what was written has left the process. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

export const line: CommandLine = {
  io,
  env: environment(),
  build: { version, folder: fileURLToPath(packageRoot) },

  async run(work) {
    process.exitCode = await work()
  },

  async runToEnd(work) {
    const code = await work()
    await Promise.all([process.stdout, process.stderr].map(written))
    process.exit(code)
  },

  async runUntilSignal(work) {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => process.exit(code))
    }
    process.exitCode = await work()
  },

  async config(flags = {}) {
    const { describeProblem, loadConfig } = await import('../config/config.js')
    const { config: file, dataDir } = program.opts<GlobalOptions>()
    const given = { data_dir: dataDir, ...flags }
    const loaded = loadConfig({ sections, file, env: environment(), flags: given })
    if (loaded.kind === 'ok') return loaded.config
    for (const problem of loaded.problems) io.stderr.write(`${describeProblem(problem)}\n`)
    throw new Exit(exitCodes.badConfiguration)
  },

  async gateway(options) {
    const { readInstance } = await import('../servers/instance.js')
    const { dataDir } = await line.config()
    const instance = readInstance(dataDir)
    const url = options.url ?? instance?.url
    if (url === undefined) {
      io.stderr.write(
        `No Weir was started on the data directory ${dataDir}. Start one with \`weir start\`, name another directory with --data-dir, or a running Weir with --url.\n`,
      )
      throw new Exit(exitCodes.failed)
    }
    const ofInstance = options.url === undefined ? instance?.api_key : undefined
    const apiKey = options.apiKey ?? environment()['WEIR_API_KEY'] ?? ofInstance
    return { gateway: { url: url.replace(/\/$/, ''), apiKey }, json: options.json === true }
  },

  async broker() {
    const config = await line.config()
    const { readInstance } = await import('../servers/instance.js')
    const { feedsOf } = await import('../feature/feature.js')
    const { features } = await import('../features.js')
    return {
      config,
      feeds: feedsOf(features, config),
      runningUrl: readInstance(config.dataDir)?.nats_url,
      searchPath: environment()['PATH'] ?? '',
      onNotice: text => void io.stderr.write(`${text}\n`),
    }
  },

  async beside(partitions, work) {
    const config = { ...(await line.config()), partitions }
    return (await import('./beside.js')).beside(config, work)
  },

  async logger(level) {
    const { pino } = await import('pino')
    if (!process.stderr.isTTY) return pino({ level, base: null }, pino.destination(2))
    const { build: pretty } = await import('pino-pretty')
    const toPeople = {
      colorize: true,
      ignore: 'pid,hostname',
      translateTime: 'SYS:HH:MM:ss',
      destination: 2,
      sync: true,
    }
    return pino({ level, base: null }, pretty(toPeople))
  },
}
