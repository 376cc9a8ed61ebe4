// Loaded into `weir start` by --import: shortens pauses and how long a receiver may still be at work on a lost request, so
// that a run takes minutes. The fake is late for a second (run.ts), which is less than `settlesWithinMs` as with any receiver.

import { register } from 'node:module'
import { connectorKinds } from '../../connections/kinds.js'
import { defaultConnectionLimits } from '../../deliver/connection-limits.js'

const settlesWithinMs = 5_000
const attemptMs = 2_500
/** Of a connector that sends many records in one request, which takes a receiver longer. */
const pageAttemptMs = 10_000
/** Of a key under which a receiver stores its answers, a failure too (Stripe, Zuora). */
const keyLivesMs = 5_000
const manyRecords = 20
/** Some receivers ask for a minute, or their connectors wait one where they do not say. */
const askedMs = 1_000

// The built start has modules of its own, which nothing here would change: it is loaded from these files instead.
const start = new URL('../../cli/start-command.js', import.meta.url).href
const hook = `export const resolve = (name, context, next) =>
  next(name.endsWith('/pipeline/cli/start/start-command.js') ? '${start}' : name, context)`
register(`data:text/javascript,${encodeURIComponent(hook)}`)

Object.assign(defaultConnectionLimits, {
  ...{ retryMinMs: 20, retryMaxMs: 1_000, stoppedMs: 500, lookupMs: 50, writtenMs: 1_000 },
})

for (const kind of connectorKinds) {
  const open = kind.open.bind(kind)
  Object.assign(kind, {
    open: async (...args: Parameters<typeof open>) => {
      const connector = await open(...args)
      if (connector.settlesWithinMs > 0)
        Object.defineProperty(connector, 'settlesWithinMs', { value: settlesWithinMs })
      const mostMs = connector.pageSize < manyRecords ? attemptMs : pageAttemptMs
      if (connector.attemptMs > mostMs) Object.defineProperty(connector, 'attemptMs', { value: mostMs })
      if ('keyLivesMs' in connector) Object.defineProperty(connector, 'keyLivesMs', { value: keyLivesMs })
      const { put, check } = connector
      connector.put = async (...given) => (await put.apply(connector, given)).map(shortened)
      connector.check = async (...given) => shortened(await check.apply(connector, given))
      return connector
    },
  })
}

function shortened<T extends object>(outcome: T): T {
  const { retryAfterMs } = outcome as { readonly retryAfterMs?: number }
  return retryAfterMs === undefined || retryAfterMs < askedMs
    ? outcome
    : { ...outcome, retryAfterMs: askedMs }
}
