// Records at each start what differs in the configuration from the start before.
// Invariants: a secret is in no entry: of a setting whose name says that it is one only that it changed; what is kept for
// the comparison are hashes that need the genesis key.

import { createHmac } from 'node:crypto'
import type { KV } from '@nats-io/kv'
import { z } from 'zod'
import { canonicalJson } from '../../schemas/json/canonical-json.js'
import { openSealed, sealJson } from '../broker/genesis.js'
import type { AuditTrail } from '../gateway/audit-trail.js'

const bucketKey = 'configuration'
const secretName = /password|passphrase|token|secret|credential|(?:^|\.)(?:key|user)$/i
const secret = '(secret)'
/** `nats://user:password@host` */
const userInfo = /(\w+:\/\/)[^/@\s"]+@/g
/** `https://host/hook?token=…`: receivers of webhooks give such addresses. */
const query = /(\w+:\/\/[^\s"?\\]+\?)[^\s"\\]+/g

const keptSchema = z.object({
  hash: z.string(),
  settings: z.record(z.string(), z.object({ mark: z.string(), shown: z.unknown() })),
})

type Kept = Readonly<z.infer<typeof keptSchema>>

export interface ConfigurationKeeper {
  /** The bucket `weir_audit`. */
  readonly kv: KV
  readonly key: Uint8Array
}

/** `config` as it was read, defaults and variables included. */
export async function recordConfiguration(
  audit: AuditTrail,
  { kv, key }: ConfigurationKeeper,
  config: object,
): Promise<void> {
  const entry = await kv.get(bucketKey)
  const parsed = keptSchema.safeParse(entry === null ? undefined : openSealed(entry.value, key))
  const before = parsed.success ? parsed.data : undefined
  const now = keptOf(config, key)
  if (before?.hash === now.hash) return
  const names = [...new Set([...Object.keys(before?.settings ?? {}), ...Object.keys(now.settings)])].sort()
  const changed = names.filter(name => before?.settings[name]?.mark !== now.settings[name]?.mark)
  await audit.record({
    caller: 'process',
    act: before === undefined ? 'configuration.recorded' : 'configuration.changed',
    object: { kind: 'configuration', id: 'weir' },
    before: before === undefined ? undefined : shown(before, changed),
    after: shown(now, changed),
  })
  await kv.put(bucketKey, sealJson(now, key))
}

function shown({ hash, settings }: Kept, names: readonly string[]) {
  return { hash, settings: Object.fromEntries(names.map(name => [name, settings[name]?.shown ?? null])) }
}

function keptOf(config: object, key: Uint8Array): Kept {
  const settings: Record<string, { mark: string; shown: unknown }> = {}
  for (const [name, value] of settingsOf(config, '')) {
    const text = canonicalJson(value)
    const plain: unknown = JSON.parse(text.replace(userInfo, '$1').replace(query, `$1${secret}`))
    settings[name] = { mark: markOf(text, key), shown: secretName.test(name) ? secret : plain }
  }
  const marks = Object.entries(settings).map(([name, { mark }]) => [name, mark])
  return { hash: markOf(canonicalJson(Object.fromEntries(marks)), key), settings }
}

/** Every value by its dotted path; a list is one value. */
function settingsOf(value: unknown, path: string): [string, unknown][] {
  if (value === undefined || typeof value === 'function') return []
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]]
  return Object.entries(value).flatMap(([name, one]) =>
    settingsOf(one, path === '' ? name : `${path}.${name}`),
  )
}

function markOf(text: string, key: Uint8Array): string {
  return createHmac('sha256', key).update(text).digest('hex')
}
