// Whether a key that would approve belongs to whoever asked: the same key, one that it was rotated to or from, or one that
// whoever asked had made after asking. Pure but for the reading of key records.
// Not here: people who share a key, or hold two that others made for them. That no program can tell.

import type { ApiKeyRecord } from '../gateway/api-keys.js'

type KeyFacts = Pick<ApiKeyRecord, 'key_id' | 'created_at' | 'rotated_from' | 'made_by'>
type ReadKey = (keyId: string) => Promise<KeyFacts | undefined>

/** `asked.at`: when it was asked for. */
export async function isOwnKey(
  asked: { readonly keyId: string; readonly at: string },
  keyId: string,
  readKey: ReadKey,
): Promise<boolean> {
  const [theirs, ours] = [await firstOf(asked.keyId, readKey), await firstOf(keyId, readKey)]
  if (theirs === ours) return true
  for (let next: string | null = ours; next !== null; ) {
    const record: KeyFacts | undefined = await readKey(next)
    if (record === undefined || record.created_at < asked.at || record.made_by === null) return false
    next = await firstOf(record.made_by, readKey)
    if (next === theirs) return true
  }
  return false
}

/** The first key of the rotations that led to this one. A key is older than what it was rotated to, so this ends. */
async function firstOf(keyId: string, readKey: ReadKey): Promise<string> {
  const rotatedFrom = (await readKey(keyId))?.rotated_from ?? null
  return rotatedFrom === null ? keyId : firstOf(rotatedFrom, readKey)
}
