// Loaded into `weir start` by --import: shortens pauses and how long a receiver may still be at work on a lost request, so
// that a run takes minutes. The fake is as late as before with respect to that.

import { connectorKinds } from '../../connections/kinds.js'
import { defaultConnectionLimits } from '../../deliver/connection-limits.js'

const settlesWithinMs = 8_000
const attemptMs = 5_000

Object.assign(defaultConnectionLimits, { retryMinMs: 20, retryMaxMs: 2_000, stoppedMs: 1_000, lookupMs: 50 })

for (const kind of connectorKinds) {
  const open = kind.open.bind(kind)
  Object.assign(kind, {
    open: async (...args: Parameters<typeof open>) => {
      const connector = await open(...args)
      if (connector.settlesWithinMs > 0)
        Object.defineProperty(connector, 'settlesWithinMs', { value: settlesWithinMs })
      if (connector.attemptMs > attemptMs) Object.defineProperty(connector, 'attemptMs', { value: attemptMs })
      return connector
    },
  })
}
