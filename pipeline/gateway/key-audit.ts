// Records each change of an API key in the audit trail, before it takes effect. Its hash is not in it.

import type { ApiKeyRecord, ApiKeySources } from './api-keys.js'
import type { AuditTrail } from './audit-trail.js'
import type { Caller } from './scopes.js'

export function recordKeyChange(
  audit: AuditTrail,
  caller: Caller | 'process',
): NonNullable<ApiKeySources['onChange']> {
  return (before, after) =>
    audit.record({
      caller,
      act: actOf(before, after),
      object: { kind: 'key', id: after.key_id },
      before: before === undefined ? undefined : withoutHash(before),
      after: withoutHash(after),
    })
}

function actOf(before: ApiKeyRecord | undefined, after: ApiKeyRecord): string {
  if (before === undefined) return 'key.created'
  return after.revoked_at === null ? 'key.rotated' : 'key.revoked'
}

function withoutHash({ sha256: _, ...key }: ApiKeyRecord) {
  return key
}
