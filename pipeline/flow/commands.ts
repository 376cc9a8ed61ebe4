// `weir sinks`, `weir mode`, `weir freeze` and `weir incident`: names and options.

import { type Command, Option } from 'commander'
import {
  type CommandLine,
  type DeclareCommands,
  type GatewayOptions,
  withGateway,
} from '../feature/command-line.js'
import { exitCodes } from '../terminal/io.js'

const loadSinks = () => import('./sinks-command.js')
const loadMode = () => import('./mode-command.js')
const loadIncident = () => import('./incident-command.js')

interface Reasoned extends GatewayOptions {
  readonly reason: string
}

interface RolloutOptions extends Reasoned {
  readonly entity?: readonly string[]
  readonly customer?: readonly string[]
}

interface WindowOptions extends GatewayOptions {
  readonly from?: string
  readonly until?: string
  readonly fromDay?: string
  readonly fromTime?: string
  readonly untilDay?: string
  readonly untilTime?: string
  readonly timeZone?: string
  readonly entity?: string
  readonly mode?: string
  readonly reason?: string
}

interface IncidentOptions extends GatewayOptions {
  readonly reason?: string
  readonly show?: boolean
  readonly yes?: boolean
  readonly force?: boolean
}

export const flowCommands: DeclareCommands = (program, line) => {
  declareSinks(program, line)
  declareMode(program, line)
  declareFreeze(program, line)
  declareIncident(program, line)
}

function declareSinks(program: Command, line: CommandLine): void {
  const sinks = program
    .command('sinks')
    .description('feeds and connections: how far, what holds them, pause, resume')
  withGateway(
    sinks.command('ls').description('all feeds and connections, and what holds each'),
    'print the sinks as JSON',
  ).action((options: GatewayOptions) =>
    line.run(async () => (await loadSinks()).listSinksCommand(await line.gateway(options), line.io)),
  )
  for (const act of ['pause', 'resume'] as const) {
    const command = sinks
      .command(act)
      .description(
        act === 'pause' ? 'from the next range or record on, across restarts' : 'go on from where it was',
      )
      .argument('<sink>', 'a feed, such as clickhouse, or the name of a connection')
    if (act === 'pause') command.requiredOption('--reason <text>', 'why')
    else command.option('--reason <text>', 'why')
    withGateway(command, 'print the sink as JSON').action((sink: string, options: Partial<Reasoned>) =>
      line.run(async () =>
        (await loadSinks()).steerSinkCommand(
          { ...(await line.gateway(options)), sink, act, body: reasonOf(options.reason) },
          line.io,
        ),
      ),
    )
  }
  const mode = sinks
    .command('mode')
    .description('how far a connection is let out')
    .argument('<connection>')
    .argument(
      '<mode>',
      'read_only, controlled (the allow-list), automatic, or configured: as the configuration says',
    )
    .option('--entity <ids...>', 'with controlled: whose records go')
    .option('--customer <ids...>', 'with controlled: whose records go')
    .requiredOption('--reason <text>', 'why')
  withGateway(mode, 'print the connection as JSON').action(
    (sink: string, to: string, options: RolloutOptions) =>
      line.run(async () => {
        const { entity, customer, reason } = options
        const isList = entity !== undefined || customer !== undefined
        const allow = isList ? { allow: { entities: entity ?? [], customers: customer ?? [] } } : {}
        const body = { mode: to.replace('-', '_'), reason, ...allow }
        const args = { ...(await line.gateway(options)), sink, act: 'mode' as const, body }
        return (await loadSinks()).steerSinkCommand(args, line.io)
      }),
  )
}

function declareMode(program: Command, line: CommandLine): void {
  const mode = program
    .command('mode')
    .description(
      'whether anything leaves: normal, read-only (nothing leaves), frozen (no billing run either)',
    )
    .argument('[mode]', 'normal, read-only or frozen; without it the mode is shown')
    .option('--reason <text>', 'why; needed to change it')
  withGateway(mode, 'print the mode as JSON').action((to: string | undefined, options: Partial<Reasoned>) =>
    line.run(async () => {
      const { reason } = options
      if (to !== undefined && reason === undefined) {
        line.io.stderr.write(
          'Say why with --reason: it is kept, and shown to whoever asks what holds Weir.\n',
        )
        return exitCodes.usage
      }
      const change = to === undefined ? {} : { change: { mode: to.replace('-', '_'), reason: reason ?? '' } }
      return (await loadMode()).modeCommand({ ...(await line.gateway(options)), ...change }, line.io)
    }),
  )
}

function declareFreeze(program: Command, line: CommandLine): void {
  const freeze = program
    .command('freeze')
    .description('freeze windows: when what leaves waits by the calendar')
  withGateway(
    freeze.command('ls').description('all windows, and when each opens or ends next'),
    'print them as JSON',
  ).action((options: GatewayOptions) =>
    line.run(async () => (await loadMode()).listWindowsCommand(await line.gateway(options), line.io)),
  )
  const add = freeze
    .command('add')
    .description('add a window: once, or every month')
    .argument('<name>')
    .option('--from <instant>', 'once: RFC 3339')
    .option('--until <instant>', 'once: RFC 3339')
    .option('--from-day <day>', 'every month: 1 to 31, or -1 (the last day) to -31')
    .option('--from-time <time>', 'every month: HH:MM (default: 00:00)')
    .option('--until-day <day>', 'every month')
    .option('--until-time <time>', 'every month (default: 00:00)')
    .option('--time-zone <zone>', 'every month: such as Europe/Berlin')
    .option('--entity <id>', 'only what belongs to this entity')
    .addOption(new Option('--mode <mode>', 'default: frozen').choices(['read_only', 'frozen']))
    .option('--reason <text>', 'why')
  withGateway(add, 'print the window as JSON').action((name: string, options: WindowOptions) =>
    line.run(async () => {
      const { addWindowCommand, windowOf } = await loadMode()
      return addWindowCommand({ ...(await line.gateway(options)), window: windowOf(name, options) }, line.io)
    }),
  )
  const rm = freeze.command('rm').description('remove a window; what it held goes on').argument('<name>')
  withGateway(rm, 'print the window as JSON').action((name: string, options: GatewayOptions) =>
    line.run(async () =>
      (await loadMode()).removeWindowCommand({ ...(await line.gateway(options)), name }, line.io),
    ),
  )
}

function declareIncident(program: Command, line: CommandLine): void {
  const incident = program
    .command('incident')
    .description('stop what leaves, reconcile, and let it out again: money, then state, then the rest')
    .option('--reason <text>', 'why; needed to open one')
    .option('--show', 'only say what is done and what comes next')
    .option('--yes', 'do each step without asking')
    .option('--force', 'go on although something differs or waits')
  withGateway(incident, 'print the incident as JSON').action((options: IncidentOptions) =>
    line.run(async () => {
      const { reason = '', yes = false, force = false } = options
      const args = { ...(await line.gateway(options)), reason, yes, force }
      const { incidentCommand, showIncidentCommand } = await loadIncident()
      return options.show === true ? showIncidentCommand(args, line.io) : incidentCommand(args, line.io)
    }),
  )
}

function reasonOf(reason: string | undefined): { readonly reason?: string } {
  return reason === undefined ? {} : { reason }
}
