// Flow control: the gate that both delivery loops and billing ask, and the routes with which people set it.

import { Kvm } from '@nats-io/kv'
import { sectionOf } from '../config/config.js'
import type { Feature } from '../feature/feature.js'
import { WatchedGate } from './gate.js'
import { incidentRoutes } from './incident-routes.js'
import { modeRoutes } from './mode-routes.js'
import { flowSettings } from './settings.js'
import { sinkRoutes } from './sink-routes.js'

export const flowBucket = 'weir_flow'

export const flowFeature: Feature = {
  name: 'flow',
  async flowGate({ config, js, nc, feeds, log }) {
    const kv = await new Kvm(js).open(flowBucket)
    const windows = sectionOf(config, flowSettings).freeze_windows
    return WatchedGate.open({ kv, feeds, windows, log, nowMs: Date.now, isClosed: () => nc.isClosed() })
  },
  async routes({ config, js, audit, flow, feeds, feedStatus }) {
    const kv = await new Kvm(js).open(flowBucket)
    const windows = sectionOf(config, flowSettings).freeze_windows
    const parts = { kv, audit, flow, feeds, feedStatus, windows, nowMs: Date.now }
    return [...sinkRoutes(parts), ...modeRoutes(parts), ...incidentRoutes(parts)]
  },
}
