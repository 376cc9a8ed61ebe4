// `weir import apply`: sends the files of an import to a running Weir, the catalog first, then identities, customers and
// subscriptions, then usage. Every event has its id from the other system, so that what is sent twice counts once, and a
// command that was cut off is run again. It notes how far it came beside the files and goes on from there.
// Exit codes: 0 all taken, 1 something was refused or could not be sent.

import { hash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { jsonType, ndjsonType } from '../../schemas/event/media-types.js'
import { parseJson, stringifyJson } from '../../schemas/json/json-text.js'
import { msOf } from '../../schemas/time.js'
import { callGateway, type GatewayArguments } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { showProgress } from '../terminal/progress.js'
import { describeCatalogProblem, readCatalogFile } from '../terminal/source-file.js'
import { instantIn, objectIn } from './fields.js'
import { importFiles } from './write-import.js'

export interface ApplyArguments extends GatewayArguments {
  readonly folder: string
  readonly yes?: boolean
  readonly reason: string
}

interface Taken {
  readonly accepted: number
  readonly rejected: readonly { readonly id: string; readonly code: string; readonly detail: string }[]
}

interface Outcome {
  catalog: number
  identities: number
  lifecycle: number
  usage: number
  /** Sent by an earlier run. */
  before: number
  refused: { readonly id: string; readonly code: string; readonly detail: string }[]
}

const perRequest = 5_000
const bytesPerRequest = 4_000_000
const identitiesPerRequest = 500
const placeFile = '.applied.json'
const shownRefused = 20
const usualHorizonDays = 35

export async function applyCommand(args: ApplyArguments, io: CliIo): Promise<number> {
  try {
    await tellAge(args, io)
    const outcome = args.yes === true ? await send(args, io) : await preview(args)
    io.stdout.write(
      args.json
        ? `${JSON.stringify({ applied: args.yes === true, ...outcome })}\n`
        : describe(outcome, args.yes === true),
    )
    return outcome.refused.length === 0 ? exitCodes.ok : exitCodes.failed
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`)
    return exitCodes.failed
  }
}

/** Usage older than the horizon of duplicates is refused, and only the configuration of that Weir says how far it reaches. */
async function tellAge({ folder }: ApplyArguments, io: CliIo): Promise<void> {
  const times = (await linesIn(folder, importFiles.usage)).map(line =>
    instantIn(objectIn(jsonIn(line))['time']),
  )
  const oldest = times.reduce(
    (least, time) => (least === undefined || (time ?? least) < least ? time : least),
    times[0],
  )
  const days = oldest === undefined ? 0 : Math.ceil((Date.now() - msOf(oldest)) / 86_400_000)
  if (days > usualHorizonDays)
    io.stderr.write(
      `The oldest usage is ${days} days old: that Weir takes it only with dedupe_horizon_days above ${days} (usual: ${usualHorizonDays}).\n`,
    )
}

function jsonIn(line: string): unknown {
  const parsed = parseJson(line)
  return parsed.kind === 'ok' ? parsed.value : undefined
}

async function preview({ folder }: ApplyArguments): Promise<Outcome> {
  const catalog = await catalogIn(folder)
  return {
    catalog: catalog.plans.length + catalog.meters.length,
    identities: (await identitiesIn(folder)).length,
    lifecycle: (await linesIn(folder, importFiles.lifecycle)).length,
    usage: (await linesIn(folder, importFiles.usage)).length,
    before: 0,
    refused: [],
  }
}

async function send(args: ApplyArguments, io: CliIo): Promise<Outcome> {
  const { folder, gateway, reason } = args
  const progress = showProgress(io, args.json)
  const outcome: Outcome = { catalog: 0, identities: 0, lifecycle: 0, usage: 0, before: 0, refused: [] }
  const catalog = await catalogIn(folder)
  const wire = catalogToWire(catalog)
  const event = {
    specversion: '1.0',
    id: `catalog:${hash('sha256', stringifyJson(wire), 'hex')}`,
    source: 'weir:import',
    type: 'weir.catalog.published',
    data: { catalog: wire },
  }
  note(outcome, 'catalog', await post(args, `${stringifyJson(event)}\n`))
  outcome.catalog = catalog.plans.length + catalog.meters.length
  const identities = await identitiesIn(folder)
  const step = progress.step('identities', identities.length)
  for (let from = 0; from < identities.length; from += identitiesPerRequest) {
    const some = identities.slice(from, from + identitiesPerRequest)
    const body = JSON.stringify({ identities: some, reason, dry_run: false })
    const init = { method: 'POST', headers: { 'content-type': jsonType }, body }
    const answer = await callGateway<{
      outcomes: readonly { theirs: string; ours: string; outcome: string }[]
    }>(gateway, '/v1/identities', init)
    for (const one of answer.outcomes)
      if (one.outcome === 'identity_taken')
        outcome.refused.push({ id: one.theirs, code: one.outcome, detail: `It does not mean ${one.ours}.` })
    outcome.identities += some.length
    step.advance(some.length)
  }
  step.done()
  await sendEvents('lifecycle', args, outcome, progress)
  await sendEvents('usage', args, outcome, progress)
  return outcome
}

async function sendEvents(
  what: 'lifecycle' | 'usage',
  args: ApplyArguments,
  outcome: Outcome,
  progress: ReturnType<typeof showProgress>,
): Promise<void> {
  const { folder, gateway } = args
  const lines = await linesIn(folder, importFiles[what])
  const of = hash('sha256', JSON.stringify([gateway.url, lines.length, lines.join('\n')]), 'hex')
  const places = await placesIn(folder)
  let at = places[what]?.of === of ? places[what].sent : 0
  outcome.before += at
  const step = progress.step(what, lines.length)
  step.advance(at)
  while (at < lines.length) {
    const some: string[] = []
    for (let bytes = 0; at + some.length < lines.length && some.length < perRequest; ) {
      const line = lines[at + some.length]!
      bytes += line.length
      if (bytes > bytesPerRequest && some.length > 0) break
      some.push(line)
    }
    note(outcome, what, await post(args, `${some.join('\n')}\n`))
    at += some.length
    step.advance(some.length)
    places[what] = { of, sent: at }
    await writeFile(join(folder, placeFile), JSON.stringify(places))
  }
  step.done()
}

function note(
  outcome: Outcome,
  what: 'catalog' | 'lifecycle' | 'usage',
  { accepted, rejected }: Taken,
): void {
  outcome[what] += accepted
  outcome.refused.push(...rejected.map(({ id, code, detail }) => ({ id, code, detail })))
}

function post({ gateway }: ApplyArguments, body: string): Promise<Taken> {
  return callGateway<Taken>(gateway, '/v1/events', {
    method: 'POST',
    headers: { 'content-type': ndjsonType },
    body,
  })
}

type Places = Partial<Record<'lifecycle' | 'usage', { readonly of: string; readonly sent: number }>>

async function placesIn(folder: string): Promise<Places> {
  try {
    return JSON.parse(await readFile(join(folder, placeFile), 'utf8')) as Places
  } catch (error) {
    // Without a note that can be read everything is sent again, which is harmless.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw error
  }
}

async function catalogIn(folder: string) {
  const read = await readCatalogFile(join(folder, importFiles.catalog))
  if (read.kind === 'invalid') throw new Error(read.problems.map(describeCatalogProblem).join('\n'))
  return read.catalog
}

async function identitiesIn(folder: string): Promise<readonly Readonly<Record<string, string>>[]> {
  const text = await readFile(join(folder, importFiles.identities), 'utf8')
  return parseCsv(text, { columns: true, skip_empty_lines: true }) as Record<string, string>[]
}

async function linesIn(folder: string, name: string): Promise<readonly string[]> {
  return (await readFile(join(folder, name), 'utf8')).split('\n').filter(line => line.trim() !== '')
}

function describe(
  { catalog, identities, lifecycle, usage, before, refused }: Outcome,
  isDone: boolean,
): string {
  const counts = `${catalog} meters and plans, ${identities} identities, ${lifecycle} events of customers and subscriptions, ${usage} of usage`
  const lines = refused.slice(0, shownRefused).map(({ id, code, detail }) => `${code}: ${id}: ${detail}`)
  const more = refused.length > shownRefused ? [`… and ${refused.length - shownRefused} more`] : []
  const earlier = before > 0 ? ` ${before} events had been sent before.` : ''
  return [
    isDone ? `Sent: ${counts}.${earlier}` : `Would be sent: ${counts}. Nothing was; --yes does it.`,
    ...lines,
    ...more,
    '',
  ].join('\n')
}
