// `weir start` and `weir validate`: the commands that belong to no feature.

import { builtFile } from '../../schemas/package-root.js'
import type { DeclareCommands } from '../feature/command-line.js'
import { settings } from '../settings.js'

interface StartOptions {
  readonly port?: string
  readonly host?: string
  readonly catalog?: readonly string[]
  readonly json?: boolean
}

interface ValidateOptions {
  readonly json?: boolean
  readonly cost?: boolean
}

export const startCommands: DeclareCommands = (program, line) => {
  program
    .command('start')
    .description('run gateway, pipeline and sinks; NATS and ClickHouse too unless their URLs are configured')
    .option('--port <port>', 'HTTP port, 0 for a free one')
    .option('--host <host>', 'HTTP address to listen on')
    .option('--catalog <files...>', 'catalogs to publish when they are new')
    .option('--json', 'print one JSON object once it runs')
    .addHelpText('after', () => `\nSettings (variable):\n${settingsHelp()}`)
    .action(({ port, host, catalog, json = false }: StartOptions) =>
      line.runToEnd(async () => {
        const flags = { 'http.port': port, 'http.host': host, catalog: catalog?.join(',') }
        const config = await line.config(flags)
        const { startCommand } = await started()
        return startCommand({ config, json, log: await line.logger(config.logLevel) }, line.io)
      }),
    )
}

export const validateCommands: DeclareCommands = (program, line) => {
  program
    .command('validate')
    .description('check configurations and catalogs')
    .argument('<files...>')
    .option('--cost', 'tell of each usage price how its events are rated, and why not faster')
    .option('--json', 'print the verdicts as JSON')
    .action((files: string[], { json = false, cost = false }: ValidateOptions) =>
      line.run(async () =>
        (await import('./validate-command.js')).validateCommand({ files, json, cost }, line.io),
      ),
    )
}

/** In few files, as it is built: the hundreds that they are made of take a second longer to load. */
function started(): Promise<typeof import('./start-command.js')> {
  return import(builtFile('pipeline/cli/start/start-command.js').href)
}

function settingsHelp(): string {
  return settings.map(({ path, variable }) => `  ${path.join('.')} (${variable})`).join('\n')
}
