// `weir catalog diff`: what files change against what is published, field by field; then who would pay how much more or less,
// on events from files or on a month that the running Weir holds.
// Exit codes: 0 compared, 1 it could not be, 2 wrong usage, 78 the files are not valid or would change what is published.

import type { Catalog } from '../../schemas/catalog/catalog.js'
import { addedCatalog } from '../../schemas/catalog/catalog-changes.js'
import { catalogToWire } from '../../schemas/catalog/catalog-parser.js'
import { formatInstant, parseInstant } from '../../schemas/time.js'
import { csvOfDifferences } from '../replay/csv.js'
import { moneyTables, signed } from '../replay/describe-replay.js'
import { catalogDiffAt, type Shown } from '../replay/replay-command.js'
import type { Gateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { plainTable } from '../terminal/table.js'
import { describeChanges, describeRefused } from './describe-changes.js'
import { type Money, moneyOnEvents } from './money-on-events.js'
import { readEvents } from './read-events.js'
import { readTerms, type Terms } from './read-terms.js'

export interface OfflineOptions {
  /** What is published, from files. */
  readonly catalog?: readonly string[]
  readonly events?: readonly string[]
  /** `2026-10`. */
  readonly month?: string
}

export interface DiffArguments extends Omit<Shown, 'gateway'>, OfflineOptions {
  readonly files: readonly string[]
  readonly gateway: () => Promise<Gateway>
}

const noMoney = {
  noPlan: 'No plan gets new terms: no charge would differ.',
  newPlans: 'Nobody has the new plans yet: no charge would differ.',
  noEvents: 'Who would pay how much more or less: give --events FILE, or compare with a running Weir.',
}

export async function diffCommand(args: DiffArguments, io: CliIo): Promise<number> {
  const stretch = stretchOf(args.month)
  if (stretch === 'invalid') {
    io.stderr.write(`--month takes a month such as 2026-10, not ${JSON.stringify(args.month)}.\n`)
    return exitCodes.usage
  }
  try {
    const { catalog, gateway } = args
    const terms = await readTerms(args.files, catalog === undefined ? { gateway } : { files: catalog }, io)
    if (terms === undefined) return exitCodes.badConfiguration
    const format = args.json ? 'json' : (args.format ?? 'table')
    if (format === 'table') io.stdout.write(describeChanges(terms))
    if (hasRefused(terms)) {
      if (format === 'json') io.stdout.write(`${JSON.stringify({ changes: terms.changes })}\n`)
      io.stderr.write(describeRefused(terms.changes))
      return exitCodes.badConfiguration
    }
    return await tellMoney(args, terms, stretch, io)
  } catch (error) {
    // Of a command that ends with a code of its own, the message is empty.
    if (!(error instanceof Error) || error.message === '') throw error
    io.stderr.write(`${error.message}\n`)
    return exitCodes.failed
  }
}

export function hasRefused({ changes }: Terms): boolean {
  return changes.some(({ outcome }) => outcome === 'refused')
}

/** Who would pay how much more or less by what is new. The changes themselves were told to people already. */
export async function tellMoney(
  args: DiffArguments,
  terms: Terms,
  stretch: Stretch,
  io: CliIo,
): Promise<number> {
  const { events, customer, month, catalog } = args
  const { published, changes } = terms
  const added = addedCatalog(terms.files, changes)
  const format = args.json ? 'json' : (args.format ?? 'table')
  const without = whyNoMoney(added, terms, events === undefined && catalog !== undefined)
  if (without !== undefined) {
    if (format === 'table') io.stdout.write(`\n${without}\n`)
    else if (format === 'json') io.stdout.write(`${JSON.stringify({ changes, note: without })}\n`)
    return exitCodes.ok
  }
  if (events === undefined) {
    const gateway = await args.gateway()
    if (format === 'table') io.stdout.write('\n')
    return catalogDiffAt(
      { ...args, gateway, catalog: catalogToWire(added), changes, ...(month === undefined ? {} : { month }) },
      io,
    )
  }
  const bodies = await readEvents(events, io)
  if (bodies === undefined) return exitCodes.failed
  const asked = { published, added, bodies, stretch, customerId: customer, nowMs: Date.now() }
  const money = moneyOnEvents(asked)
  if (format === 'json') io.stdout.write(`${JSON.stringify({ changes, ...money })}\n`)
  else if (format === 'csv') io.stdout.write(csvOf(money, args.by ?? 'customer'))
  else io.stdout.write(`\n${describeMoney(money, stretch)}`)
  return exitCodes.ok
}

function whyNoMoney(added: Catalog, { changes }: Terms, isWithoutEvents: boolean): string | undefined {
  if (added.plans.length === 0) return noMoney.noPlan
  const isVersion = changes.some(
    ({ kind, outcome, from_version: from }) => kind === 'plan' && outcome === 'added' && from !== null,
  )
  if (!isVersion) return noMoney.newPlans
  return isWithoutEvents ? noMoney.noEvents : undefined
}

function csvOf(money: Money, by: 'charge' | 'customer' | 'price'): string {
  const lines = { charge: money.charges, customer: money.customers, price: money.prices }[by]
  return csvOfDifferences(by, lines, true)
}

function describeMoney(money: Money, stretch: Stretch): string {
  const from = stretch === undefined ? '' : ` begins from ${formatInstant(stretch.fromNs)} and`
  const parts = [
    `Charges whose service period${from} is known at ${money.as_of}, of the given events; every subscription of a plan by its new version.`,
    ...moneyTables(money, money.customers),
  ]
  if (money.customers_changed > 0)
    parts.push(
      `${money.customers_changed} customers and ${money.subscriptions_changed} subscriptions would pay otherwise.`,
    )
  if (money.mrr.length > 0) {
    const rows = money.mrr.map(one => [
      one.customer_id,
      one.currency,
      one.mrr_before,
      one.mrr_after,
      signed(one.mrr_change),
    ])
    parts.push(
      plainTable(
        ['MRR of', '', 'before', 'after', 'change'],
        ['left', 'left', 'right', 'right', 'right'],
        rows,
      ),
    )
  }
  for (const { code, before, after } of money.refused)
    parts.push(`Events refused with ${code}: ${before} before, ${after} after.`)
  return `${parts.join('\n\n')}\n`
}

type Stretch = { readonly fromNs: bigint; readonly untilNs: bigint } | undefined

/** Of a month, in UTC. */
export function stretchOf(month: string | undefined): Stretch | 'invalid' {
  if (month === undefined) return undefined
  if (!/^20\d{2}-(0[1-9]|1[0-2])$/.test(month)) return 'invalid'
  const [year, number] = month.split('-').map(Number) as [number, number]
  const begin = (of: number) => parseInstant(new Date(Date.UTC(year, of, 1)).toISOString())!
  return { fromNs: begin(number - 1), untilNs: begin(number) }
}
