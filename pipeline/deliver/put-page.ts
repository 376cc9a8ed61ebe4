// One call of a connector's `put`, guarded: it may throw, answer too few outcomes, or not answer at all. Before it, the place
// of each record; what has none is not sent.
// Invariant: while a call has not answered, no other one begins. A call that is given up could still write later, over what
// the next one wrote; so a silent connector is told as trouble and waited for, until the process ends.

import type { Connector, Place, PutOutcome, SentRecord, Taken } from '../../sinks/connector.js'
import { Deadline } from '../../sinks/deadline.js'
import type { OpenDelivery } from './delivery-book.js'

/** How long after its deadline a call may be silent before that is told. */
const graceMs = 5_000

/** What becomes of each record of a page before it is sent: its place, or an outcome without a sending. */
export async function placePage(
  connector: Connector,
  page: readonly OpenDelivery[],
): Promise<{ readonly going: readonly Going[]; readonly staying: readonly Staying[] }> {
  const going: Going[] = []
  const staying: Staying[] = []
  for (const open of page) {
    const { place, may_be_there: mayBeThere } = open.delivery
    const placed =
      mayBeThere === true && place !== undefined
        ? ({ kind: 'placed', place } as const)
        : await connector.place?.(open.record)
    if (placed === undefined) going.push({ open })
    else if (placed.kind === 'placed') going.push({ open, place: placed.place })
    else staying.push({ open, outcome: placed })
  }
  return { going, staying }
}

interface Going {
  readonly open: OpenDelivery
  readonly place?: Place
}

export interface Staying {
  readonly open: OpenDelivery
  readonly outcome: PutOutcome
}

/** A record as the connector gets it. */
export function sentRecord({
  record,
  delivery: { place, receipt },
}: Pick<OpenDelivery, 'record' | 'delivery'>): SentRecord {
  return {
    ...record,
    ...(place === undefined ? {} : { place }),
    ...(receipt === undefined ? {} : { receipt }),
  }
}

export interface PutCalls {
  /** How long it may still take. */
  readonly forMs: number
  /** Keeps the receipt of these records (sinks/connector.ts). */
  readonly taken: Taken
  readonly onSilent: (trouble: { readonly code: string; readonly detail: string }) => void
}

export async function putPage(
  connector: Connector,
  records: readonly SentRecord[],
  aborting: AbortSignal,
  { forMs, taken, onSilent }: PutCalls,
): Promise<readonly PutOutcome[]> {
  const deadline = new Deadline(forMs, aborting)
  const bug = (detail: string): PutOutcome[] =>
    records.map(() => ({ kind: 'unclear', code: 'connector_bug', detail }))
  const silentMs = connector.attemptMs + graceMs
  const detail = `the receiver has not answered within ${Math.round(silentMs / 1_000)} s, and still holds ${records.length} records`
  const silent = setTimeout(() => onSilent({ code: 'receiver_silent', detail }), silentMs)
  silent.unref()
  const ended = new AbortController()
  try {
    const outcomes = await Promise.race([
      connector.put(records, deadline.signal, taken),
      abortOf(aborting, ended.signal),
    ])
    if (outcomes.length === records.length) return outcomes
    return bug(`${outcomes.length} outcomes for ${records.length} records`)
  } catch (error) {
    if (aborting.aborted) throw error
    return bug(String(error)) // `Connector` forbids it: whether the records arrived is unknown
  } finally {
    clearTimeout(silent)
    deadline.end()
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
