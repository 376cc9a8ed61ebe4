// `weir simulate`: reads the files, runs the simulation, prints the object of contract section 5, or tables.
// Exit codes: 0 done, 1 a file cannot be read, 2 wrong usage, 78 the catalog is not valid.

import { readFile } from 'node:fs/promises'
import { explanationToWire } from '../../rating/explain/explanation.js'
import { dueToText, explanationToText } from '../../rating/explain/explanation-text.js'
import { chargeToWire } from '../../schemas/billing/charge.js'
import { movementToWire } from '../../schemas/billing/mrr-movement.js'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { type CatalogProblem, mergeCatalogs } from '../../schemas/catalog/catalog-parser.js'
import { parseMessage } from '../../schemas/event/cloud-event.js'
import { deadLetterToWire } from '../../schemas/event/dead-letter.js'
import { dispositions } from '../../schemas/event/dispositions.js'
import { formatScaled } from '../../schemas/money/decimal.js'
import { formatInstant, instantFault, instantFaultText, parseInstant } from '../../schemas/time.js'
import { describeCatalogProblem, readCatalogFile } from '../terminal/source-file.js'
import { plainTable } from '../terminal/table.js'
import type { ChargeExplanation } from './explain.js'
import { type SimulateResult, simulate } from './simulate.js'

export interface SimulateArguments {
  readonly catalog: readonly string[]
  readonly events: readonly string[]
  /** RFC 3339. */
  readonly asOf?: string
  readonly json?: boolean
  /** Print the arithmetic of every charge, line by line. */
  readonly explain?: boolean
}

export interface CommandStreams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly isTTY: boolean
}

const exit = { ok: 0, failed: 1, usage: 2, badCatalog: 78 } as const

export async function simulateCommand(args: SimulateArguments, io: CommandStreams): Promise<number> {
  const say = (line: string) => io.stderr.write(`${line}\n`)
  const asOfNs = args.asOf === undefined ? undefined : parseInstant(args.asOf)
  if (args.asOf !== undefined && asOfNs === undefined) {
    const fault = instantFault(args.asOf)
    say(
      `--as-of takes an instant such as 2026-02-01T00:00:00Z; "${args.asOf}" ${instantFaultText(fault)} (${fault}).`,
    )
    return exit.usage
  }
  if (args.catalog.length === 0 || args.events.length === 0) {
    say('simulate needs --catalog FILE and --events FILE.')
    return exit.usage
  }
  const catalog = await readCatalog(args.catalog, say)
  const eventFiles = await readFiles(args.events, say)
  if (catalog === undefined) return exit.badCatalog
  if (eventFiles === undefined) return exit.failed
  const result = simulate({
    catalog,
    bodies: eventFiles,
    asOfNs,
    nowMs: Date.now(),
    explain: args.explain === true,
  })
  const unreadable = unreadableFile(args.events, eventFiles, result)
  if (unreadable !== undefined) {
    say(unreadable)
    return exit.failed
  }
  io.stdout.write(args.json ? `${JSON.stringify(toWire(result))}\n` : toTables(result))
  return exit.ok
}

async function readFiles(
  names: readonly string[],
  say: (line: string) => void,
): Promise<Buffer[] | undefined> {
  const bodies: Buffer[] = []
  let isComplete = true
  for (const name of names) {
    try {
      bodies.push(await readFile(name))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined) throw error
      say(code === 'ENOENT' ? `${name}: there is no such file.` : `${name}: cannot be read (${code}).`)
      isComplete = false
    }
  }
  return isComplete ? bodies : undefined
}

/**
 * The first file that holds no events. To be called only after a JSON error, since it parses all files again.
 */
function unreadableFile(
  names: readonly string[],
  files: readonly Buffer[],
  { deadLetters }: SimulateResult,
): string | undefined {
  if (!deadLetters.some(({ code, eventId }) => code === 'malformed_json' && eventId === '')) return undefined
  for (const [index, bytes] of files.entries()) {
    const parsed = parseMessage(bytes)
    if (parsed.kind !== 'ok') return `${names[index]}: ${parsed.rejection.detail}`
  }
  return undefined
}

async function readCatalog(
  names: readonly string[],
  say: (line: string) => void,
): Promise<Catalog | undefined> {
  const problems: CatalogProblem[] = []
  let catalog: Catalog = { meters: [], plans: [] }
  for (const name of names) {
    const parsed = await readCatalogFile(name)
    if (parsed.kind === 'invalid') {
      problems.push(...parsed.problems)
      continue
    }
    const merged = mergeCatalogs(catalog, parsed.catalog)
    if (merged.kind === 'ok') catalog = merged.catalog
    else
      problems.push({ ...nowhere, file: name, code: merged.rejection.code, message: merged.rejection.detail })
  }
  for (const problem of problems) {
    say(`${describeCatalogProblem(problem)} (${problem.code})`)
  }
  return problems.length === 0 ? catalog : undefined
}

const nowhere = { line: 1, column: 1, path: '' }

/** The object that `--json` prints. */
export function toWire(result: SimulateResult) {
  return {
    events: result.events,
    charges: result.charges.map(chargeToWire),
    mrr_movements: result.movements.map(movementToWire),
    dead_letters: result.deadLetters.map(deadLetterToWire),
    notices: result.notices,
    ...(result.explanations === undefined
      ? {}
      : {
          explanations: result.explanations.map(({ charge, explanation }) =>
            explanationToWire(charge, explanation),
          ),
        }),
  }
}

function toTables(result: SimulateResult): string {
  const events = ['received' as const, ...dispositions]
    .filter(name => name === 'received' || result.events[name] !== 0)
    .map(name => `${result.events[name]} ${name.replace('_', '-')}`)
  const parts = [`As of ${formatInstant(result.asOfNs)}. Events: ${events.join(', ')}.`]
  if (result.charges.length > 0) parts.push(chargesTable(result))
  if (result.explanations !== undefined) parts.push(...result.explanations.map(explanationText))
  if (result.movements.length > 0) parts.push(movementsTable(result))
  if (result.deadLetters.length > 0) parts.push(deadLettersTable(result))
  if (result.notices.length > 0) parts.push(noticesTable(result))
  return `${parts.join('\n\n')}\n`
}

function chargesTable(result: SimulateResult): string {
  const head = ['customer', 'subscription', 'price', 'from', 'until', 'quantity', 'amount', 'rounded', '', '']
  const rows = result.charges.map(charge => [
    charge.customerId,
    charge.subscriptionId,
    charge.price,
    formatInstant(charge.fromNs),
    formatInstant(charge.untilNs),
    formatScaled(charge.quantity),
    formatScaled(charge.amount),
    formatScaled(charge.amountRounded),
    charge.currency,
    charge.status,
  ])
  const aligns = head.map((_, column) => (column >= 5 && column <= 7 ? 'right' : 'left'))
  return `Charges\n${plainTable(head, aligns, rows)}`
}

function explanationText({ charge, explanation }: ChargeExplanation): string {
  const { customerId, subscriptionId, price, fromNs, untilNs, status } = charge
  const period = `${formatInstant(fromNs)} to ${formatInstant(untilNs)}`
  return [
    `${customerId}, ${subscriptionId}, ${price}, ${period}, ${status}, ${dueToText(charge)}`,
    ...explanationToText(explanation),
  ].join('\n')
}

function movementsTable(result: SimulateResult): string {
  const head = ['customer', 'subscription', 'effective', 'movement', 'amount', 'MRR after', '']
  const rows = result.movements.map(movement => [
    movement.customerId,
    movement.subscriptionId,
    formatInstant(movement.effectiveAtNs),
    movement.kind,
    formatScaled(movement.amount),
    formatScaled(movement.mrrAfter),
    movement.currency,
  ])
  const aligns = head.map((_, column) => (column === 4 || column === 5 ? 'right' : 'left'))
  return `MRR movements\n${plainTable(head, aligns, rows)}`
}

function deadLettersTable(result: SimulateResult): string {
  const rows = result.deadLetters.map(({ eventSource, eventId, code, detail }) => [
    eventSource,
    eventId,
    code,
    detail,
  ])
  return `Dead letters\n${plainTable(['source', 'id', 'code', 'detail'], ['left', 'left', 'left', 'left'], rows)}`
}

function noticesTable(result: SimulateResult): string {
  const rows = result.notices.map(({ source, id, pointer, detail }) => [source, id, pointer, detail])
  return `Notices\n${plainTable(['source', 'id', 'at', 'notice'], ['left', 'left', 'left', 'left'], rows)}`
}
