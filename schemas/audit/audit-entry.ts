// One entry of the audit trail: its shape in the stream AUDIT and in the API, its canonical text, and its hash.
// Invariants:
// 1. The hash of an entry is SHA-256 over the canonical text of all its members but the hash: whoever has the entry can
//    compute it with any tool.
// 2. An entry holds the hash of the one before it, so a changed, removed or inserted entry breaks the chain.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { canonicalJson } from '../json/canonical-json.js'

/** The hash before the first entry. */
export const firstHash = '0'.repeat(64)

const hashText = z.string().regex(/^[0-9a-f]{64}$/)

const whoSchema = z.object({
  kind: z
    .enum(['key', 'keyless', 'process'])
    .describe('An API key; a caller without one, where none is required; Weir itself'),
  id: z.string().describe('The key_id, or host and process id'),
  name: z.string().describe('The name of the key at that time'),
})

const objectSchema = z.object({ kind: z.string(), id: z.string() })

export const auditEntrySchema = z
  .object({
    sequence: z.int().min(1).describe('From 1, without a gap'),
    previous_hash: hashText.describe('Of the entry before; 64 zeros: this is the first'),
    hash: hashText.describe('SHA-256 of the entry without it, as JSON with sorted keys and no white space'),
    entry_id: z.string(),
    at: z.iso.datetime(),
    by: whoSchema,
    act: z.string().describe('What was done, such as `key.created`'),
    object: objectSchema.describe('To what'),
    reason: z.string().nullable().describe('As whoever did it gave it'),
    before: z.unknown().describe('What stood before, as far as the act changes it; null: nothing'),
    after: z.unknown().describe('What stands after; null: nothing'),
  })
  .meta({ id: 'AuditEntry' })

export type AuditEntry = Readonly<z.infer<typeof auditEntrySchema>>
export type AuditWho = AuditEntry['by']

/** The entry with its hash. */
export function hashedEntry(entry: Omit<AuditEntry, 'hash'>): AuditEntry {
  return { ...entry, hash: hashOfEntry(entry) }
}

/** The hash that the entry ought to have. */
export function hashOfEntry(entry: Omit<AuditEntry, 'hash'> & { readonly hash?: string }): string {
  const { hash: _, ...content } = entry
  return createHash('sha256').update(canonicalJson(content)).digest('hex')
}
