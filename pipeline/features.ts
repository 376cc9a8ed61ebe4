// The only list of the features of a running Weir: the roles name nothing inside a feature.

import { approvalsFeature } from './approvals/feature.js'
import { auditFeature } from './audit/feature.js'
import { billingFeature } from './billing/feature.js'
import { catalogFeature } from './catalog/feature.js'
import { clickhouseFeature } from './clickhouse/feature.js'
import { connectionsFeature } from './connections/feature.js'
import { deliveriesFeature } from './deliveries/feature.js'
import { eventSchemasFeature } from './event-schemas/feature.js'
import { exceptionsFeature } from './exceptions/feature.js'
import { explainFeature } from './explain/feature.js'
import type { Feature } from './feature/feature.js'
import { flowFeature } from './flow/feature.js'
import { gatesFeature } from './gates/feature.js'
import { identitiesFeature } from './identities/feature.js'
import { keysFeature } from './keys/feature.js'
import { kpiFeature } from './kpi/feature.js'
import { postingsFeature } from './postings/feature.js'
import { privacyFeature } from './privacy/feature.js'
import { producersFeature } from './producers/feature.js'
import { rebuildFeature } from './rebuild/feature.js'
import { reconcileFeature } from './reconcile/feature.js'
import { replayFeature } from './replay/feature.js'
import { sourcesFeature } from './sources/feature.js'

export const features: readonly Feature[] = [
  auditFeature,
  approvalsFeature,
  keysFeature,
  privacyFeature,
  clickhouseFeature,
  billingFeature,
  postingsFeature,
  connectionsFeature,
  identitiesFeature,
  gatesFeature,
  deliveriesFeature,
  exceptionsFeature,
  reconcileFeature,
  replayFeature,
  catalogFeature,
  kpiFeature,
  flowFeature,
  rebuildFeature,
  explainFeature,
  sourcesFeature,
  producersFeature,
  eventSchemasFeature,
]
