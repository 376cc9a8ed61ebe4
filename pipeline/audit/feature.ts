// The audit trail: the port that every part records its acts through, kept in the stream AUDIT.

import { Kvm } from '@nats-io/kv'
import { genesisOf } from '../broker/genesis.js'
import type { Feature } from '../feature/feature.js'
import { auditBucket } from './anchor.js'
import { AuditLog } from './audit-log.js'

export const auditFeature: Feature = {
  name: 'audit',
  async auditTrail({ bulk, js, jsm, log }) {
    const anchors = await new Kvm(js).open(auditBucket)
    const { key } = await genesisOf(jsm)
    return new AuditLog({ bulk, jsm, anchors, key, log })
  },
}
