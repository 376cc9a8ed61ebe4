// The audit trail: the port that every part records its acts through, kept in the stream AUDIT.

import { Kvm } from '@nats-io/kv'
import { genesisOf } from '../broker/genesis.js'
import { recordedPosition } from '../deliver/delivered.js'
import { feedOf } from '../deliver/feed.js'
import type { Feature } from '../feature/feature.js'
import { auditBucket } from './anchor.js'
import { AuditLog } from './audit-log.js'
import { recordConfiguration } from './configuration.js'
import { PublishedTerms } from './published-terms.js'
import { auditRoutes } from './routes.js'

/** The feed that brings the entries to ClickHouse. */
const auditFeed = 'clickhouse.audit'

export const auditFeature: Feature = {
  name: 'audit',
  async auditTrail({ bulk, js, jsm, log, config }) {
    const anchors = await new Kvm(js).open(auditBucket)
    const { key } = await genesisOf(jsm)
    const terms = new PublishedTerms(js, jsm)
    const audit = await AuditLog.open({ bulk, jsm, anchors, key, log, terms })
    await recordConfiguration(audit, { kv: anchors, key }, config)
    return audit
  },
  async routes({ js, jsm, queries, buckets, feeds }) {
    const anchors = await new Kvm(js).open(auditBucket)
    const { key } = await genesisOf(jsm)
    const delivered = () => recordedPosition(buckets.sinks, feedOf(feeds, auditFeed).key)
    return auditRoutes({ js, jsm, anchors, key, clickhouse: queries, delivered })
  },
}
