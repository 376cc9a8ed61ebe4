// A fake ERP in a process of its own, on loopback, and the configuration of a connection to it. The fakes are those that every
// connector is tested with (sinks/<system>/testing); the build puts them into one file, since `testing` does not ship
// (docs/decisions/2026-11-27-the-demo-brings-its-erp.md).
// Invariant: the process ends with ours, however ours ends: the channel between them closes.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse, stringify } from 'yaml'
import { builtFile } from '../../schemas/package-root.js'
import type { FakeErpKind } from './erp-kinds.js'

export interface FakeErp {
  /** A configuration file with the connection, which is named as its kind. */
  readonly configFile: string
  /** The secrets by the variables that the configuration names. */
  readonly secrets: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/** What the fake prints when it is there. */
interface Started {
  readonly connection: object
  readonly secrets: Readonly<Record<string, string>>
  readonly mapping?: string
}

type Accounts = Readonly<Record<string, string>>

const startMs = 60_000
/** Loopback needs no sparing. */
const rate = { per_second: 10_000, per_minute: 600_000, concurrent: 8 }

export async function startFakeErp(kind: FakeErpKind, customers: readonly string[]): Promise<FakeErp> {
  const folder = await mkdtemp(join(tmpdir(), 'weir-demo-erp-'))
  const child = fork(builtFile('pipeline/demo/fake-erp.bundle.js'), [kind], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill()
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const lines = createInterface({ input: child.stdout! })
    const signal = AbortSignal.timeout(startMs)
    const ended = exited.then(() => Promise.reject(new Error(`the fake ${kind} ended before it was there`)))
    const [line] = (await Promise.race([once(lines, 'line', { signal }), ended])) as [string]
    const { connection, secrets, mapping } = JSON.parse(line) as Started
    const mappingFile = mapping === undefined ? {} : { mapping: 'mapping.yaml' }
    const connections = [{ name: kind, kind, ...mappingFile, rate, ...connection }]
    const configFile = join(folder, 'weir.yaml')
    await writeFile(configFile, stringify({ connections }))
    if (mapping !== undefined) await writeFile(join(folder, 'mapping.yaml'), ofDemo(mapping, customers))
    return { configFile, secrets, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The mapping of the fake with the demo's accounts (sinks/mapping/accounts.example.yaml) and customers in it. */
function ofDemo(text: string, customers: readonly string[]): string {
  const mapping = parse(text) as { readonly accounts?: Accounts; readonly customers?: Accounts }
  const { '4000': revenue = '' } = mapping.accounts ?? {}
  const accounts = { '2400': revenue, ...mapping.accounts, '4010': revenue, '4090': revenue }
  const [theirs] = Object.values(mapping.customers ?? {})
  const all = theirs === undefined ? {} : { customers: Object.fromEntries(customers.map(id => [id, theirs])) }
  return stringify({ ...withRevenueAccounts(mapping), accounts, ...all })
}

/** Rules for the fake's one account of revenue hold for all of the demo's. */
function withRevenueAccounts(mapping: object): object {
  const rule = (one: { readonly match?: { readonly account?: unknown } }): object =>
    one.match?.account === '4000'
      ? { ...one, match: { ...one.match, account: ['4000', '4010', '4090'] } }
      : one
  return Object.fromEntries(
    Object.entries(mapping).map(([field, value]) => [field, Array.isArray(value) ? value.map(rule) : value]),
  )
}
