// What the commands share: the program they belong to, the configuration, the running Weir they talk to, how they end.

import { Command, InvalidArgumentError } from 'commander'
import { type Logger, pino } from 'pino'
import { build as pretty } from 'pino-pretty'
import { describeProblem, loadConfig, type WeirConfig } from '../config/config.js'
import { settings } from '../config/config-schema.js'
import { environment, version } from '../environment.js'
import { feedsOf } from '../feature/feature.js'
import { readInstance } from '../servers/instance.js'
import { type CliIo, exitCodes } from '../terminal/io.js'

interface GlobalOptions {
  readonly config?: string
  readonly dataDir?: string
}

export const io: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
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

export interface GatewayOptions {
  readonly url?: string
  readonly apiKey?: string
  readonly json?: boolean
}

export function configOf(flags: Readonly<Record<string, unknown>> = {}): WeirConfig {
  const { config: file, dataDir } = program.opts<GlobalOptions>()
  const loaded = loadConfig({ file, env: environment(), flags: { data_dir: dataDir, ...flags } })
  if (loaded.kind === 'ok') return loaded.config
  for (const problem of loaded.problems) io.stderr.write(`${describeProblem(problem)}\n`)
  throw new Exit(exitCodes.badConfiguration)
}

/** The gateway that a command talks to: as told, else the one that was started on the data directory. */
export function gatewayOf(options: { readonly url?: string; readonly apiKey?: string }) {
  const { dataDir } = configOf()
  const instance = readInstance(dataDir)
  const url = options.url ?? instance?.url
  if (url === undefined) {
    io.stderr.write(
      `No Weir was started on the data directory ${dataDir}. Start one with \`weir start\`, name another directory with --data-dir, or a running Weir with --url.\n`,
    )
    throw new Exit(exitCodes.failed)
  }
  const apiKey =
    options.apiKey ??
    environment()['WEIR_API_KEY'] ??
    (options.url === undefined ? instance?.api_key : undefined)
  return { url: url.replace(/\/$/, ''), apiKey }
}

/** What every command that talks to a running Weir takes. */
export function clientOf(options: GatewayOptions) {
  return { gateway: gatewayOf(options), json: options.json === true }
}

/** Lines for people on a terminal, JSON elsewhere. */
export function logger(level: string): Logger {
  const toPeople = {
    colorize: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss',
    destination: 2,
    sync: true,
  }
  return pino({ level, base: null }, process.stderr.isTTY ? pretty(toPeople) : pino.destination(2))
}

export function wholeOrZero(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

/** What a command takes that works on the broker itself. */
export async function brokerArguments() {
  const config = configOf()
  const { features } = await import('../features.js')
  return {
    config,
    feeds: feedsOf(features, config),
    runningUrl: readInstance(config.dataDir)?.nats_url,
    searchPath: environment()['PATH'] ?? '',
    onNotice: (line: string) => void io.stderr.write(`${line}\n`),
  }
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number above 0.')
  return Number(text)
}

export async function finish(command: Promise<number>): Promise<void> {
  process.exitCode = await command
}

/** For commands that start servers of their own and have nothing to drain: the servers end with the process, if it exits. */
export function endOnSignals(): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => process.exit(code))
  }
}

export function settingsHelp(): string {
  return settings.map(({ path, variable }) => `  ${path.join('.')} (${variable})`).join('\n')
}
