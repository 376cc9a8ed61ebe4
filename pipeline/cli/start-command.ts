// `weir start`: gateway, pipeline and sinks in this process group, until a signal; the first one drains, a second ends. A
// start that fails leaves nothing running, and says what to do.

import { once } from 'node:events'
import type { Logger } from 'pino'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { TopologyError } from '../broker/topology-error.js'
import type { WeirConfig } from '../config/config.js'
import { startWeir, type Weir } from '../main.js'
import { apiKeyFile, type Instance, keepApiKey, readApiKey, writeInstance } from '../servers/instance.js'
import { isOfConfiguration, StartProblem } from '../servers/start-problem.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { describeCatalogProblem, readCatalogFile } from '../terminal/source-file.js'

export interface StartArguments {
  readonly config: WeirConfig
  readonly json: boolean
  readonly log: Logger
}

export async function startCommand(args: StartArguments, io: CliIo): Promise<number> {
  const { config, log } = args
  const catalogs = await readCatalogs(config.catalog, io)
  if (catalogs === undefined) return exitCodes.badConfiguration
  // Signals are handled from here on, so that a Ctrl-C while starting also stops the embedded servers.
  const stopping = stopSignal(io)
  let weir: Weir | undefined
  try {
    weir = await startWeir(config, {
      log,
      catalogs,
      signal: stopping,
      onNotice: line => io.stderr.write(`${line}\n`),
      onFirstKey: token => keepApiKey(config.dataDir, token),
    })
    await announce(weir, args, io)
    if (!stopping.aborted) await once(stopping, 'abort')
  } catch (error) {
    await weir?.drain()
    return stopping.aborted ? exitCodes.ok : refuse(error, args, io)
  }
  await weir.drain()
  return exitCodes.ok
}

async function announce(weir: Weir, { config, json, log }: StartArguments, io: CliIo): Promise<void> {
  const instance = instanceOf(weir, readApiKey(config.dataDir))
  await writeInstance(config.dataDir, instance)
  io.stdout.write(
    json ? `${JSON.stringify(publicPart(config, instance))}\n` : greeting(config, weir, instance),
  )
  weir.onServerRestart(() => {
    writeInstance(config.dataDir, instanceOf(weir, instance.api_key)).catch(error =>
      log.error({ err: error }, 'weir.json cannot be written: commands will not find this Weir'),
    )
  })
}

/** Says why there is no start, and returns the exit code: 78 when only another configuration can help. */
function refuse(error: unknown, { json }: StartArguments, io: CliIo): number {
  const { code, detail, facts } = reasonOf(error)
  io.stderr.write(`weir start: ${code}: ${detail}\n`)
  if (json) io.stdout.write(`${JSON.stringify({ error: { code, detail, ...facts } })}\n`)
  return isOfConfiguration(code) ? exitCodes.badConfiguration : exitCodes.failed
}

function reasonOf(error: unknown) {
  if (error instanceof StartProblem) return { code: error.code, detail: error.message, facts: error.facts }
  if (error instanceof TopologyError) return { code: error.code, detail: error.message, facts: {} }
  const detail = error instanceof Error ? error.message : String(error)
  return { code: 'start_failed', detail, facts: {} }
}

/** Fires at the first signal; a second one ends the process. */
function stopSignal(io: CliIo): AbortSignal {
  const stopping = new AbortController()
  const stop = (signal: NodeJS.Signals): void => {
    io.stderr.write(`${signal}: finishing what is in hand; once more to stop at once\n`)
    for (const again of ['SIGINT', 'SIGTERM'] as const) {
      process.off(again, stop)
      process.once(again, () => process.exit(exitCodes.failed))
    }
    stopping.abort()
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return stopping.signal
}

async function readCatalogs(files: readonly string[], io: CliIo): Promise<Catalog[] | undefined> {
  const catalogs: Catalog[] = []
  let isValid = true
  for (const file of files) {
    const parsed = await readCatalogFile(file)
    if (parsed.kind === 'ok') catalogs.push(parsed.catalog)
    else {
      isValid = false
      for (const problem of parsed.problems) io.stderr.write(`${describeCatalogProblem(problem)}\n`)
    }
  }
  return isValid ? catalogs : undefined
}

function instanceOf(weir: Weir, keptKey: string | undefined): Instance {
  const { nats, clickhouse } = weir.pids()
  const apiKey = weir.firstKey ?? keptKey
  return {
    pid: process.pid,
    url: weir.url,
    nats_url: [weir.nats.servers].flat().join(','),
    clickhouse_url: weir.clickhouse.url,
    logins: weir.logins,
    ...(nats === undefined ? {} : { nats_pid: nats }),
    ...(clickhouse === undefined ? {} : { clickhouse_pid: clickhouse }),
    ...(apiKey === undefined ? {} : { api_key: apiKey }),
  }
}

/** The instance without the API key, since more people read a log than may have the key. */
function publicPart(config: WeirConfig, { api_key, ...instance }: Instance) {
  return { ...instance, ...(api_key === undefined ? {} : { api_key_file: apiKeyFile(config.dataDir) }) }
}

const analystQuestion = 'SELECT count() FROM rated_usage'

function greeting(config: WeirConfig, weir: Weir, instance: Instance): string {
  const { nats, clickhouse } = weir.logins
  const analyst = clickhouse['analyst']
  const publisher = nats['publisher']
  const database = config.clickhouse.database
  const ask = `${instance.clickhouse_url}/?database=${database}`
  return [
    'Weir is running.',
    `  HTTP        ${instance.url}   (OpenAPI at /openapi.json)`,
    ...keyLines(config, weir, instance),
    `  ClickHouse  ${instance.clickhouse_url}   database ${database}`,
    ...(analyst === undefined
      ? []
      : [
          `              user analyst reads; password in ${analyst}`,
          `              curl -u "analyst:$(cat ${analyst})" '${ask}' -d '${analystQuestion}'`,
        ]),
    `  NATS        ${instance.nats_url}${websocketNote(config)}`,
    ...(publisher === undefined
      ? []
      : [
          `              user publisher sends usage.<customer> and changes.<customer>; password in ${publisher}`,
          `              user consumer reads BILLING and POSTINGS; password in ${nats['consumer']}`,
        ]),
    `  data        ${config.dataDir}`,
    'Ctrl-C stops it.',
    '',
  ].join('\n')
}

function websocketNote({ nats }: WeirConfig): string {
  if (nats.url !== undefined || nats.websocketPort === undefined) return ''
  return `   and ws://127.0.0.1:${nats.websocketPort}`
}

function keyLines(config: WeirConfig, weir: Weir, instance: Instance): string[] {
  const file = apiKeyFile(config.dataDir)
  if (weir.firstKey !== undefined)
    return [`  API key     ${weir.firstKey}`, `              (shown once; kept in ${file})`]
  return instance.api_key === undefined ? [] : [`  API key     of the first start: in ${file}`]
}
