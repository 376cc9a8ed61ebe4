// The end of the demo in the books: waits until everything is in the ERP, and holds the ERP against what it was sent.

import { setTimeout as sleep } from 'node:timers/promises'
import { Decimal } from 'decimal.js'
import type { Weir } from '../main.js'
import { askReceiver } from '../reconcile/receiver-command.js'
import type { ReceiverReport, ReceiverTotal } from '../reconcile/receiver-report.js'
import type { Progress } from '../terminal/progress.js'
import type { Check } from './checks.js'
import type { Figures } from './figures.js'
import type { SendTarget } from './send.js'

const pollMs = 50

/** Until every record is there or refused; a draft that somebody there has to post is there. */
export async function untilPosted(
  weir: Weir,
  connection: string,
  progress: Progress,
  deadline: AbortSignal,
): Promise<void> {
  const step = progress.step(`journals and releases posted to the fake ${connection}`, 0)
  for (;;) {
    deadline.throwIfAborted()
    const { open } = weir.status().feeds.find(feed => feed.key === `connection.${connection}`) ?? {}
    const { written: _, ...onTheirWay } = open?.byState ?? {}
    if (Object.values(onTheirWay).every(count => count === 0)) break
    await sleep(pollMs)
  }
  await weir.delivered(deadline) // their states too are in ClickHouse
  step.done()
}

export function reconciledWithErp(
  { url, apiKey }: SendTarget,
  connection: string,
  progress: Progress,
): Promise<ReceiverReport> {
  return askReceiver({ gateway: { url, apiKey }, connection }, progress)
}

export function erpChecks(report: ReceiverReport, { journalEntries }: Figures): Check[] {
  const { connection, records, documents, totals, fault_count: faults } = report
  const sumOf = (side: (total: ReceiverTotal) => string): string =>
    totals.reduce((sum, total) => sum.plus(side(total)), new Decimal(0)).toFixed()
  const [ours, theirs] = [sumOf(one => one.ours), sumOf(one => one.theirs)]
  const isTold = totals.every(one => one.untold === 0)
  const same = (what: string, expected: string, found: string): Check => ({
    what,
    expected,
    found,
    ok: expected === found,
  })
  return [
    same(`journals and releases in ${connection}`, String(records), String(documents)),
    ...(isTold ? [same(`debits in ${connection} = debits delivered`, ours, theirs)] : []),
    same(`missing, extra, twice or different in ${connection}`, '0', String(faults)),
    {
      what: `${connection} has at least a journal for each entry`,
      expected: String(journalEntries),
      found: String(documents),
      ok: report.ok && documents >= journalEntries,
    },
  ]
}
