// Replays: the same stretch through other terms, beside the live one.

import type { Feature, FeatureParts } from '../feature/feature.js'
import { replayKind } from './replay-kind.js'
import { keptInBucket, ReplayStore } from './replay-store.js'
import { replayRoutes } from './routes.js'

export const replayFeature: Feature = {
  name: 'replay',
  routes: parts => replayRoutes(parts, storeOf(parts)),
  jobs: parts => [replayKind(parts, storeOf(parts))],
}

function storeOf({ nc }: FeatureParts): ReplayStore {
  return new ReplayStore(keptInBucket(nc))
}
