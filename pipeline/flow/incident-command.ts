// `weir incident`: leads through an incident, from stopping what leaves to letting the last class out. It keeps nothing: what is
// done is known by Weir, so that the command goes on where it, or another one, ended.

import { createInterface } from 'node:readline/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { answer, callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import type { CliIo } from '../terminal/io.js'
import type { IncidentView } from './shapes.js'
import { post } from './sinks-command.js'

export interface IncidentArguments extends GatewayArguments {
  readonly reason: string
  readonly yes: boolean
  readonly force: boolean
}

type Step = NonNullable<IncidentView['next']>

const sentences: Readonly<Record<Step, string>> = {
  stop: 'Stop: nothing leaves any more, and no billing run is taken.',
  reconcile: 'Reconcile: hold everything against everything.',
  money: 'Money first: billing runs, batches, and the connections of the class money go on.',
  state: 'Then state: the connections of the class state go on.',
  rest: 'Then the rest: everything goes on, and the incident is closed.',
}
const steps = Object.keys(sentences) as Step[]
const pollMs = 500
/** How long a step waits until the one before has been delivered, before it is left to the next call. */
const patienceMs = 60_000

export function showIncidentCommand({ gateway, json }: GatewayArguments, io: CliIo): Promise<number> {
  return answer(io, async () => tell(await read(gateway), json, io))
}

export function incidentCommand(args: IncidentArguments, io: CliIo): Promise<number> {
  return answer(io, async () => {
    let view = await read(args.gateway)
    for (;;) {
      const step = view.next ?? 'stop'
      if (step === 'stop' && args.reason === '')
        throw new Error('No incident is open. Open one with --reason "what is wrong".')
      say(args, io, `Step ${steps.indexOf(step) + 1} of ${steps.length}. ${sentences[step]}`)
      if (!(await mayGoOn(args, io))) return tell(view, args.json, io)
      view = await doStep(args, step, io)
      if (view.incident === null) break
    }
    if (args.json) io.stdout.write(`${JSON.stringify(view)}\n`)
    else io.stdout.write('The incident is closed. Everything that was held goes on by itself.\n')
  })
}

async function doStep(args: IncidentArguments, step: Step, io: CliIo): Promise<IncidentView> {
  const { gateway, reason, force } = args
  if (step === 'stop') return post(gateway, '/v1/incident', { reason })
  const said = { force, ...(reason === '' ? {} : { reason }) }
  if (step === 'reconcile') {
    const differences = await reconcile(args, io)
    return post(gateway, `/v1/incident/steps/${step}`, { ...said, differences })
  }
  if (!force) await untilDelivered(args, io)
  return post(gateway, `/v1/incident/steps/${step}`, said)
}

async function reconcile(args: IncidentArguments, io: CliIo): Promise<number> {
  interface Report {
    readonly ok: boolean
    readonly checks?: readonly { readonly check: string; readonly differences: readonly unknown[] }[]
  }
  const { ok, checks = [] } = await callGateway<Report>(args.gateway, '/v1/reconciliation')
  for (const { check, differences } of checks)
    if (differences.length > 0) say(args, io, `  ${check}: ${differences.length} differences`)
  const found = checks.reduce((sum, { differences }) => sum + differences.length, 0)
  say(args, io, ok ? '  Everything agrees.' : '  It does not agree; `weir reconcile` shows all of it.')
  return ok ? 0 : Math.max(1, found)
}

async function untilDelivered(args: IncidentArguments, io: CliIo): Promise<void> {
  const deadline = performance.now() + patienceMs
  let said = ''
  for (;;) {
    const waits = (await read(args.gateway)).waits_for
    if (waits.length === 0) return
    const text = waits.map(({ sink, open }) => `${sink}: ${open}`).join(', ')
    if (text !== said) say(args, io, `  still to be delivered: ${text}`)
    said = text
    if (performance.now() > deadline)
      throw new Error(
        `What the last step released waits still: ${text}. Call it again later, or with --force.`,
      )
    await sleep(pollMs)
  }
}

/** Asks a person on a terminal; elsewhere only `--yes` goes on. */
async function mayGoOn({ yes, json }: IncidentArguments, io: CliIo): Promise<boolean> {
  if (yes) return true
  if (json || !io.isTTY || process.stdin.isTTY !== true) {
    io.stderr.write('Nothing was done: say --yes, or call it on a terminal.\n')
    return false
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question('  Do it? [y/N] ')).trim())
  } finally {
    lines.close()
  }
}

function read(gateway: GatewayArguments['gateway']): Promise<IncidentView> {
  return callGateway<IncidentView>(gateway, '/v1/incident')
}

/** Progress, for people: with `--json` it goes beside the answer. */
function say({ json }: { readonly json: boolean }, io: CliIo, text: string): void {
  ;(json ? io.stderr : io.stdout).write(`${text}\n`)
}

function tell(view: IncidentView, json: boolean, io: CliIo): void {
  if (json) return void io.stdout.write(`${JSON.stringify(view)}\n`)
  const { incident, next, waits_for: waits } = view
  if (incident === null) return void io.stdout.write('No incident is open.\n')
  const lines = incident.done.map(
    ({ step, at, by, reason, detail }) =>
      `  ${step}: ${at} by ${by}: ${detail}${reason === '' ? '' : ` (${reason})`}`,
  )
  for (const { sink, open } of waits) lines.push(`  still to be delivered: ${sink}: ${open}`)
  if (next !== null) lines.push(`  next: ${sentences[next]}`)
  io.stdout.write(`The incident ${incident.incident_id} is open.\n${lines.join('\n')}\n`)
}
