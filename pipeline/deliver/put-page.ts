// One call of a connector's `put`, guarded: it may throw, answer too few outcomes, or not answer at all.
// Invariant: while a call has not answered, no other one begins. A call that is given up could still write later, over what
// the next one wrote; so a silent connector is told as trouble and waited for, until the process ends.

import type { Connector, ConnectorRecord, PutOutcome } from '../../sinks/connector.js'

/** How long after its deadline a call may be silent before that is told. */
const graceMs = 5_000

export async function putPage(
  connector: Connector,
  records: readonly ConnectorRecord[],
  aborting: AbortSignal,
  onSilent: (trouble: { readonly code: string; readonly detail: string }) => void,
): Promise<readonly PutOutcome[]> {
  const signal = AbortSignal.any([AbortSignal.timeout(connector.attemptMs), aborting])
  const bug = (detail: string): PutOutcome[] =>
    records.map(() => ({ kind: 'unclear', code: 'connector_bug', detail }))
  const silentMs = connector.attemptMs + graceMs
  const detail = `the receiver has not answered within ${Math.round(silentMs / 1_000)} s, and still holds ${records.length} records`
  const silent = setTimeout(() => onSilent({ code: 'receiver_silent', detail }), silentMs)
  silent.unref()
  const ended = new AbortController()
  try {
    const outcomes = await Promise.race([connector.put(records, signal), abortOf(aborting, ended.signal)])
    if (outcomes.length === records.length) return outcomes
    return bug(`${outcomes.length} outcomes for ${records.length} records`)
  } catch (error) {
    if (aborting.aborted) throw error
    return bug(String(error)) // `Connector` forbids it: whether the records arrived is unknown
  } finally {
    clearTimeout(silent)
    ended.abort()
  }
}

/** Rejects when the process ends at once: a call that never answers must not keep it. */
function abortOf(aborting: AbortSignal, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new Error('the delivery ends'))
    aborting.addEventListener('abort', end, { once: true, signal })
    if (aborting.aborted) end()
  })
}
