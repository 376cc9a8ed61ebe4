// Approvals: the gate that holds back what the rules of the configuration name, until a second person releases it.

import { Kvm } from '@nats-io/kv'
import { sectionOf } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { ApprovalDesk, approvalsBucket } from './approval-desk.js'
import { approvalRoutes } from './routes.js'
import { approvalsSettings, unknownConnections } from './settings.js'

export const approvalsFeature: Feature = {
  name: 'approvals',
  async approvalGate({ config, js, jsm, buckets, audit, feeds, log, undo }) {
    const kv = await new Kvm(js).open(approvalsBucket)
    const settings = sectionOf(config, approvalsSettings)
    const connections = feeds.flatMap(({ ofRecords }) => ofRecords?.connection ?? [])
    for (const { path, message } of unknownConnections(settings, connections)) log.warn({ path }, message)
    const desk = new ApprovalDesk({ jsm, kv, keys: buckets.keys, settings, audit, log })
    undo.push(async () => desk.close())
    await desk.start()
    return desk
  },
  async routes({ config, js, jsm, buckets, audit, log, queries }) {
    const kv = await new Kvm(js).open(approvalsBucket)
    const settings = sectionOf(config, approvalsSettings)
    const desk = new ApprovalDesk({ jsm, kv, keys: buckets.keys, settings, audit, log })
    return approvalRoutes({ desk, settings, clickhouse: queries })
  },
}
