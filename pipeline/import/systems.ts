// The systems that can be imported. Another one is a folder beside these and a line here.

import type { ForeignSystem, SystemName } from './foreign-system.js'
import { lagoSystem } from './lago/system.js'
import { openmeterSystem } from './openmeter/system.js'
import { stripeSystem } from './stripe/system.js'

export const systems: Readonly<Record<SystemName, ForeignSystem>> = {
  stripe: stripeSystem,
  lago: lagoSystem,
  openmeter: openmeterSystem,
}
