// `weir catalog apply`: publishes what is new in files, after showing it.
// Invariants: all of it is one event, so that it is published whole or not at all; the id of the event is a hash of its content,
// so that what is sent twice counts once; nothing is sent while anything in the files would change what is published.
// Exit codes: 0 published or nothing to do, 1 it could not be, 2 nobody said yes, 78 the files are not valid or would change
// what is published.

import { createInterface } from 'node:readline/promises'
import type { Catalog } from '../../schemas/catalog/catalog.js'
import { addedCatalog, type CatalogChange } from '../../schemas/catalog/catalog-changes.js'
import { catalogToWire, mergeCatalogs } from '../../schemas/catalog/catalog-parser.js'
import { jsonType } from '../../schemas/event/media-types.js'
import { stableId } from '../../schemas/identifiers.js'
import { callGateway, type Gateway } from '../terminal/gateway-client.js'
import { type CliIo, exitCodes } from '../terminal/io.js'
import { describeChanges, describeRefused, nameOf } from './describe-changes.js'
import { hasRefused, type OfflineOptions, stretchOf, tellMoney } from './diff-command.js'
import { publishedAt, readTerms, sizeOf, type Terms } from './read-terms.js'

export interface ApplyArguments extends Pick<OfflineOptions, 'events' | 'month'> {
  readonly files: readonly string[]
  readonly gateway: () => Promise<Gateway>
  readonly json: boolean
  readonly yes: boolean
  /** Of a person at the terminal; handed in by tests. */
  readonly ask?: (question: string) => Promise<boolean>
}

interface Taken {
  readonly accepted: number
  readonly rejected: readonly { readonly code: string; readonly detail: string }[]
}

export async function applyCommand(args: ApplyArguments, io: CliIo): Promise<number> {
  const stretch = stretchOf(args.month)
  if (stretch === 'invalid') {
    io.stderr.write(`--month takes a month such as 2026-10, not ${JSON.stringify(args.month)}.\n`)
    return exitCodes.usage
  }
  try {
    const terms = await readTerms(args.files, { gateway: args.gateway }, io)
    if (terms === undefined) return exitCodes.badConfiguration
    if (!args.json) io.stdout.write(describeChanges(terms))
    if (hasRefused(terms)) {
      if (args.json) io.stdout.write(toJson(terms.changes, [], null))
      io.stderr.write(describeRefused(terms.changes))
      return exitCodes.badConfiguration
    }
    const added = terms.changes.filter(({ outcome }) => outcome === 'added')
    if (added.length === 0) {
      io.stdout.write(args.json ? toJson(terms.changes, [], null) : 'Nothing to do.\n')
      return exitCodes.ok
    }
    const isMoneyAsked = !args.json && (args.events !== undefined || args.month !== undefined)
    if (isMoneyAsked) {
      const code = await tellMoney(args, terms, stretch, io)
      if (code !== exitCodes.ok) return code
    }
    if (!(await isConfirmed(args, added.length, io))) {
      io.stderr.write('Nothing was published: nobody said yes. Where there is no terminal, --yes does.\n')
      return exitCodes.usage
    }
    return await publish(args, terms, added, io)
  } catch (error) {
    if (!(error instanceof Error) || error.message === '') throw error
    io.stderr.write(`${error.message}\n`)
    return exitCodes.failed
  }
}

async function isConfirmed({ yes, json, ask }: ApplyArguments, count: number, io: CliIo): Promise<boolean> {
  if (yes) return true
  if (json || !io.isTTY || (ask === undefined && process.stdin.isTTY !== true)) return false
  return (ask ?? askAtTerminal)(`Publish ${count}? What is published never changes. [yes/no] `)
}

async function askAtTerminal(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(question)).trim())
  } finally {
    lines.close()
  }
}

async function publish(
  { gateway: open, json }: ApplyArguments,
  terms: Terms,
  added: readonly CatalogChange[],
  io: CliIo,
): Promise<number> {
  const gateway = await open()
  const news = addedCatalog(terms.files, terms.changes)
  const data = { catalog: catalogToWire(news) }
  const event = {
    specversion: '1.0',
    id: stableId('catalog', JSON.stringify(data)),
    source: 'weir:catalog',
    type: 'weir.catalog.published',
    data,
  }
  const init = { method: 'POST', headers: { 'content-type': jsonType }, body: JSON.stringify(event) }
  const { rejected } = await callGateway<Taken>(gateway, '/v1/events', init)
  const [fault] = rejected
  if (fault !== undefined) throw new Error(`Nothing was published. ${fault.code}: ${fault.detail}`)
  await assertPublished(gateway, news)
  io.stdout.write(
    json
      ? toJson(terms.changes, added, event.id)
      : `Published: ${added.map(nameOf).join(', ')}. Subscriptions keep the version that they have.\n`,
  )
  return exitCodes.ok
}

/** Somebody may have published other content under the same version meanwhile: then the event was refused whole. */
async function assertPublished(gateway: Gateway, added: Catalog): Promise<void> {
  const now = await publishedAt(gateway)
  const merged = mergeCatalogs(now, added)
  if (merged.kind === 'ok' && sizeOf(merged.catalog) === sizeOf(now)) return
  const why =
    merged.kind === 'conflict' ? `${merged.rejection.code}: ${merged.rejection.detail}` : 'It was refused.'
  throw new Error(
    `Nothing was published. ${why} Somebody may have published meanwhile: \`weir catalog diff\` shows how it stands now.`,
  )
}

function toJson(
  changes: readonly CatalogChange[],
  published: readonly CatalogChange[],
  eventId: string | null,
) {
  const names = published.map(({ kind, name, version }) => ({ kind, name, version }))
  return `${JSON.stringify({ changes, published: names, event_id: eventId })}\n`
}
