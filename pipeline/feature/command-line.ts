// The interface with which a feature declares its commands, and the options that several commands share.
//
// Invariant: this file and every `commands.ts` load nothing but commander, so that `weir --help` answers at
// once. The work of a command is loaded in its action.

import { type Command, InvalidArgumentError } from 'commander'
import type { Logger } from 'pino'
import type { WeirConfig } from '../config/config.js'
import type { Feed } from '../deliver/feed.js'
import type { GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import type { FeatureParts } from './feature.js'

/** Declares the commands of a feature. */
export type DeclareCommands = (program: Command, line: CommandLine) => void

export interface CommandLine {
  readonly io: CliIo
  readonly env: Readonly<Record<string, string | undefined>>
  /** The version of this build, and the folder that it lies in. */
  readonly build: { readonly version: string; readonly folder: string }
  /** Does the work of a command. The answer of `work` is the exit code of the process. */
  run(work: () => Promise<number>): Promise<void>
  /** Like `run`, and ends the process then, whatever is still open in it. */
  runToEnd(work: () => Promise<number>): Promise<void>
  /** Like `run`, for a command with its own servers and nothing to drain: a signal ends the process. */
  runUntilSignal(work: () => Promise<number>): Promise<void>
  /** Keys of `flags` are dotted names of settings. */
  config(flags?: Readonly<Record<string, unknown>>): Promise<WeirConfig>
  /** For a command that talks to a gateway: the given one, else the one that was started on the data directory. */
  gateway(options: GatewayOptions): Promise<GatewayArguments>
  /** For a command that works on the broker itself. */
  broker(): Promise<BrokerArguments>
  /**
   * For a command that computes in its own process, by its own build, from the servers of the running Weir: it reads, and
   * writes nothing. `partitions`: as many as the running Weir has.
   */
  beside<T>(partitions: number, work: (parts: PartsBeside) => Promise<T>): Promise<T>
  /** Lines for people on a terminal, JSON elsewhere. */
  logger(level: string): Promise<Logger>
}

export type PartsBeside = Pick<FeatureParts, 'config' | 'jsm' | 'queries' | 'shadows'>

export interface GatewayOptions {
  readonly url?: string
  readonly apiKey?: string
  readonly json?: boolean
}

export interface BrokerArguments {
  readonly config: WeirConfig
  /** The feeds of all features. */
  readonly feeds: readonly Feed[]
  /** The URL of the Weir that was started on the data directory. */
  readonly runningUrl: string | undefined
  readonly searchPath: string
  readonly onNotice: (line: string) => void
}

/** Adds the options of every command that talks to a running Weir. */
export function withGateway(command: Command, json: string): Command {
  return command
    .option('--url <url>', 'a running Weir (default: the one of the data directory)')
    .option('--api-key <key>', 'default: $WEIR_API_KEY, or without --url the key of the data directory')
    .option('--json', json)
}

export function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('It is a whole number above 0.')
  return Number(text)
}

export function wholeOrZero(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}
