// API keys as they are stored: made, revoked, listed. Bucket `weir_keys`, one entry per key, under the key's id.
// A key reads `weir_<id>_<secret>`: 48 bits that name it, 256 random bits that prove it.
// Invariants: the secret is shown once and stored nowhere, only its SHA-256 is; a revoked key stays listed.

import { createHash, randomBytes } from 'node:crypto'
import type { KV, KvEntry } from '@nats-io/kv'
import { z } from 'zod'
import type { Scope } from './route.js'

export const keyBucket = 'weir_keys'

export const scopes: readonly Scope[] = ['ingest', 'read', 'admin']

const recordSchema = z.object({
  key_id: z.string(),
  name: z.string(),
  scopes: z.array(z.enum(['ingest', 'read', 'admin'])),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  created_at: z.string(),
  revoked_at: z.string().nullable(),
})

export type ApiKeyRecord = z.infer<typeof recordSchema>

export interface NewApiKey {
  readonly name: string
  /** `admin` includes the others. */
  readonly scopes: readonly Scope[]
}

export interface CreatedApiKey {
  readonly keyId: string
  /** To be shown to the user now; it cannot be had again. */
  readonly token: string
}

/** Clock and randomness, handed in. */
export interface ApiKeySources {
  readonly nowMs?: () => number
  readonly random?: (bytes: number) => Buffer
}

const tokenText = /^weir_([0-9a-f]{12})_([0-9a-f]{64})$/

/** The id and the SHA-256 of a token, or undefined when the text is no token of ours. */
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
    revoked_at: null,
  }
  await kv.create(keyId, JSON.stringify(record))
  return { keyId, token }
}

/** False when there is no such key. Revoking again changes nothing. */
export async function revokeApiKey(kv: KV, keyId: string, sources: ApiKeySources = {}): Promise<boolean> {
  if (!/^[0-9a-f]{12}$/.test(keyId)) return false
  const entry = await kv.get(keyId)
  const record = entry === null ? undefined : keyRecordOf(entry)
  if (entry === null || record === undefined) return false
  if (record.revoked_at !== null) return true
  const revokedAt = new Date((sources.nowMs ?? Date.now)()).toISOString()
  await kv.update(keyId, JSON.stringify({ ...record, revoked_at: revokedAt }), entry.revision)
  return true
}

/** All keys, revoked ones too, the oldest first. */
export async function listApiKeys(kv: KV): Promise<readonly ApiKeyRecord[]> {
  const records: ApiKeyRecord[] = []
  for await (const keyId of await kv.keys()) {
    const entry = await kv.get(keyId)
    const record = entry === null ? undefined : keyRecordOf(entry)
    if (record !== undefined) records.push(record)
  }
  return records.sort((a, b) => (a.created_at < b.created_at ? -1 : a.created_at > b.created_at ? 1 : 0))
}

/** A key with all scopes when the bucket holds no key that is in force; undefined when it does. */
export async function ensureFirstKey(
  kv: KV,
  sources: ApiKeySources = {},
): Promise<CreatedApiKey | undefined> {
  const keys = await listApiKeys(kv)
  if (keys.some(key => key.revoked_at === null)) return undefined
  return createApiKey(kv, { name: 'first key', scopes }, sources)
}

/** What an entry of the bucket says; undefined for a deleted one and for one that is not ours. */
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
