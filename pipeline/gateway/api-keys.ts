// Creates, rotates, revokes and lists the stored API keys. Bucket `weir_keys` has one entry per key, under
// the key's id. A key has the form `weir_<id>_<secret>`: an id of 48 bits and a secret of 256 random bits.
// Invariants: the secret is shown once and stored nowhere, only its SHA-256 is; a revoked or expired key
// stays listed; the last key that can make keys is not revoked; of two changes of one key at the same moment neither is lost.

import { createHash, randomBytes } from 'node:crypto'
import type { KV, KvEntry } from '@nats-io/kv'
import { z } from 'zod'
import { isWrongRevision } from '../broker/wrong-revision.js'
import { type Scope, scopes } from './scopes.js'

export const keyBucket = 'weir_keys'

const recordSchema = z.object({
  key_id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(scopes)),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.string(),
  /** Null: the key never expires. */
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  /** The key whose rotation made this one; null: none. Absent in records of older versions, as is `made_by`. */
  rotated_from: z.string().nullable().default(null),
  /** The key that asked for this one; null: none. */
  made_by: z.string().nullable().default(null),
  /** The key without which this one holds no longer; null: none. */
  ends_with: z.string().nullable().default(null),
})

export type ApiKeyRecord = z.infer<typeof recordSchema>

export interface NewApiKey {
  readonly name: string
  /** `admin` includes the others. */
  readonly scopes: readonly Scope[]
  /** Absent: the key never expires. */
  readonly expiresAtMs?: number
  /** The key that asks for this one. */
  readonly madeBy?: string | undefined
  /** The key without which this one holds no longer: once that is revoked or expired, so is this. */
  readonly endsWith?: string | undefined
  /** The key that this one replaces. */
  readonly rotatedFrom?: string
}

export interface CreatedApiKey {
  readonly keyId: string
  /** To be shown to the user now; it cannot be read again later. */
  readonly token: string
  readonly record: ApiKeyRecord
}

/** The clock and the source of randomness. */
export interface ApiKeySources {
  readonly nowMs?: () => number
  readonly random?: (bytes: number) => Buffer
  /** Called before each change of a key takes effect; `before` is undefined for a new one. */
  readonly onChange?: (before: ApiKeyRecord | undefined, after: ApiKeyRecord) => Promise<void>
}

const tokenText = /^weir_([0-9a-f]{12})_([0-9a-f]{64})$/

/** The id and the SHA-256 of a token, or undefined when the text does not have the form of a Weir key. */
export function readToken(token: string): { readonly keyId: string; readonly digest: Buffer } | undefined {
  const match = tokenText.exec(token)
  if (match === null) return undefined
  return { keyId: match[1]!, digest: createHash('sha256').update(token).digest() }
}

export async function createApiKey(
  kv: KV,
  request: NewApiKey,
  sources: ApiKeySources = {},
): Promise<CreatedApiKey> {
  const random = sources.random ?? randomBytes
  const keyId = random(6).toString('hex')
  const token = `weir_${keyId}_${random(32).toString('hex')}`
  const record: ApiKeyRecord = {
    key_id: keyId,
    name: request.name,
    scopes: [...new Set(request.scopes)],
    sha256: createHash('sha256').update(token).digest('hex'),
    created_at: new Date((sources.nowMs ?? Date.now)()).toISOString(),
    expires_at: request.expiresAtMs === undefined ? null : new Date(request.expiresAtMs).toISOString(),
    revoked_at: null,
    rotated_from: request.rotatedFrom ?? null,
    made_by: request.madeBy ?? null,
    ends_with: request.endsWith ?? null,
  }
  await sources.onChange?.(undefined, record)
  await kv.create(keyId, JSON.stringify(record))
  return { keyId, token, record }
}

export type Revoked =
  | { readonly kind: 'ok'; readonly record: ApiKeyRecord }
  | { readonly kind: 'not_found' }
  /** Refused, because afterwards nobody could create keys. */
  | { readonly kind: 'last_admin_key' }

/** Revokes a key. Idempotent. */
export async function revokeApiKey(kv: KV, keyId: string, sources: ApiKeySources = {}): Promise<Revoked> {
  const nowMs = (sources.nowMs ?? Date.now)()
  for (;;) {
    const found = await readKey(kv, keyId)
    if (found === undefined) return { kind: 'not_found' }
    if (found.record.revoked_at !== null) return { kind: 'ok', record: found.record }
    const admins = (await listApiKeys(kv)).filter(
      key => isInForce(key, nowMs) && key.scopes.includes('admin'),
    )
    if (admins.length === 1 && admins[0]!.key_id === keyId) return { kind: 'last_admin_key' }
    const record = { ...found.record, revoked_at: new Date(nowMs).toISOString() }
    await sources.onChange?.(found.record, record)
    if (await replaceKey(kv, record, found.revision)) return { kind: 'ok', record }
  }
}

export type Rotated =
  | { readonly kind: 'ok'; readonly created: CreatedApiKey; readonly old: ApiKeyRecord }
  | { readonly kind: 'not_found' }
  | { readonly kind: 'not_in_force' }

/**
 * Creates a key with the name and scopes of an old one. The old key works for another `overlapMs` and then
 * expires. The new key expires at `expiresAtMs`; absent: never.
 */
export async function rotateApiKey(
  kv: KV,
  keyId: string,
  terms: { readonly overlapMs: number; readonly expiresAtMs?: number; readonly madeBy?: string | undefined },
  sources: ApiKeySources = {},
): Promise<Rotated> {
  const nowMs = (sources.nowMs ?? Date.now)()
  const { overlapMs, ...rest } = terms
  let found = await readKey(kv, keyId)
  if (found === undefined) return { kind: 'not_found' }
  if (!isInForce(found.record, nowMs)) return { kind: 'not_in_force' }
  const { name, scopes: held } = found.record
  const created = await createApiKey(kv, { name, scopes: held, ...rest, rotatedFrom: keyId }, sources)
  while (found !== undefined && isInForce(found.record, nowMs)) {
    const { record, revision } = found
    const end = record.expires_at === null ? Number.POSITIVE_INFINITY : Date.parse(record.expires_at)
    const old = { ...record, expires_at: new Date(Math.min(nowMs + overlapMs, end)).toISOString() }
    await sources.onChange?.(record, old)
    if (await replaceKey(kv, old, revision)) return { kind: 'ok', created, old }
    found = await readKey(kv, keyId)
  }
  await revokeApiKey(kv, created.keyId, sources) // the old key was revoked meanwhile, and nobody has seen this one
  return { kind: 'not_in_force' }
}

/** Writes a key over the revision that was read; false when another request has changed it since. */
async function replaceKey(kv: KV, record: ApiKeyRecord, revision: number): Promise<boolean> {
  try {
    await kv.update(record.key_id, JSON.stringify(record), revision)
    return true
  } catch (error) {
    if (isWrongRevision(error)) return false
    throw error
  }
}

/** Whether a key is neither revoked nor expired. */
export function isInForce(key: Pick<ApiKeyRecord, 'revoked_at' | 'expires_at'>, nowMs: number): boolean {
  return key.revoked_at === null && (key.expires_at === null || Date.parse(key.expires_at) > nowMs)
}

/** A stored key; undefined when it does not exist. */
export async function readKey(
  kv: KV,
  keyId: string,
): Promise<{ readonly record: ApiKeyRecord; readonly revision: number } | undefined> {
  if (!/^[0-9a-f]{12}$/.test(keyId)) return undefined
  const entry = await kv.get(keyId)
  const record = entry === null ? undefined : keyRecordOf(entry)
  return entry === null || record === undefined ? undefined : { record, revision: entry.revision }
}

/** All keys, revoked and expired ones too, the oldest first. */
export async function listApiKeys(kv: KV): Promise<readonly ApiKeyRecord[]> {
  const keyIds: string[] = []
  for await (const keyId of await kv.keys()) keyIds.push(keyId)
  const found = await Promise.all(keyIds.map(keyId => readKey(kv, keyId)))
  const records = found.flatMap(one => (one === undefined ? [] : [one.record]))
  return records.sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0))
}

/** Creates a key with the scope `admin` when no such key is in force; undefined when one is. */
export async function ensureFirstKey(
  kv: KV,
  sources: ApiKeySources = {},
): Promise<CreatedApiKey | undefined> {
  const nowMs = (sources.nowMs ?? Date.now)()
  const keys = await listApiKeys(kv)
  if (keys.some(key => isInForce(key, nowMs) && key.scopes.includes('admin'))) return undefined
  return createApiKey(kv, { name: 'first key', scopes: ['admin'] }, sources)
}

/**
 * The key record in an entry of the bucket; undefined for a deleted entry and for one that holds no key
 * record.
 */
export function keyRecordOf(entry: KvEntry): ApiKeyRecord | undefined {
  if (entry.operation !== 'PUT') return undefined
  try {
    const parsed = recordSchema.safeParse(JSON.parse(entry.string()))
    return parsed.success ? parsed.data : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
