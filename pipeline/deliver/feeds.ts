// Every feed there is: which messages of which stream go to which sink, and under which key its position is kept.
// `main.ts` starts a Deliverer for each; `weir reconcile` asks how far each is.

import { ledgerSubjects } from '../../sinks/clickhouse/records.js'

export interface Feed {
  /** Key in the bucket `weir_sinks`: the sink's name, or `<sink>.<feed>` for its further feeds. */
  readonly key: string
  readonly stream: 'LEDGER' | 'BILLING' | 'POSTINGS'
  readonly filterSubjects: readonly string[]
}

export const feeds = {
  clickhouse: { key: 'clickhouse', stream: 'LEDGER', filterSubjects: ledgerSubjects },
  clickhouseBilling: { key: 'clickhouse.billing', stream: 'BILLING', filterSubjects: ['billing.>'] },
  clickhousePostings: { key: 'clickhouse.postings', stream: 'POSTINGS', filterSubjects: ['postings.>'] },
  billing: { key: 'billing', stream: 'LEDGER', filterSubjects: ['ledger.*.sealed'] },
  erp: { key: 'erp', stream: 'BILLING', filterSubjects: ['billing.>'] },
} as const satisfies Record<string, Feed>
