// The file connector on a real file system; Parquet is read back by the engine of ClickHouse.

import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Session } from 'chdb'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { JournalEntryWire } from '../../schemas/billing/journal-entry.js'
import type { Connector, ConnectorRecord } from '../connector.js'
import { conformanceOf } from '../testing/conformance.js'
import type { Receiver } from '../testing/conformance-rig.js'
import type { Fault } from '../testing/fault.js'
import type { FileFormat } from './config.js'
import { formats } from './formats.js'
import { FilesConnector } from './sink.js'

let folder: string
let numbered = 0
const { signal } = new AbortController()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-files-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const greatest = '99999999999999999999999999.999999999999'
const precise = '0.000000000001'

function journal(n: number, more: Partial<JournalEntryWire> = {}): ConnectorRecord {
  const id = `je_${n}`
  const entry: JournalEntryWire = {
    journal_id: id,
    idempotency_key: id,
    entity_id: n % 2 === 0 ? 'eu' : '',
    currency: 'EUR',
    accounting_date: '2026-10-31',
    corrects: '',
    plan: 'pro',
    plan_version: 1,
    price: 'base',
    meter: '',
    charge_kind: 'recurring',
    timing: 'in_arrears',
    service_days: { first: '2026-10-01', last: '2026-10-31' },
    timezone: 'UTC',
    kind: 'journal',
    accounting_period: '2026-10',
    lines: [
      { account: '=1200', role: 'receivable', debit: greatest, credit: '0', segments: { cost_centre: '7' } },
      { account: '4000', role: 'revenue', debit: '0', credit: precise, segments: {} },
    ],
    charge_id: `ch_${n}`,
    customer_id: 'c1',
    contract_id: '',
    subscription_id: 's1',
    subscription_version: 3,
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00.123456789Z' },
    performance_obligation: 'access',
    correlation_id: 'q "1"\nnext',
    source: { billing_run_id: 'run_1', batch_id: 'b1', release_id: '' },
    ...more,
  }
  return { kind: 'journal', id, key: id, recordedAt: '2026-11-02T03:04:05.678Z', document: { ...entry } }
}

function batchLine(n: number): ConnectorRecord {
  const line = {
    batch_id: 'b1',
    charge_id: `ch_${n}`,
    customer_id: 'c1',
    subscription_id: 's1',
    subscription_version: 1,
    entity_id: 'eu',
    contract_id: '',
    correlation_id: '',
    plan: 'pro',
    plan_version: 1,
    price: 'tokens',
    meter: 'tokens_in',
    kind: 'usage',
    timing: 'in_arrears',
    service_period: { from: '2026-10-01T00:00:00Z', until: '2026-11-01T00:00:00Z' },
    timezone: 'UTC',
    quantity: '1000000.5',
    amount: '-2.5000025',
    amount_rounded: '-2.5',
    currency: 'EUR',
    status: 'closed',
    billing_run_id: 'run_1',
  }
  return {
    kind: 'batch_line',
    id: `bl_${n}`,
    key: `bl_${n}`,
    recordedAt: '2026-11-02T00:00:00Z',
    document: line,
  }
}

/** Faults of the way to the folder; a folder that cannot be written is a real one. */
class FolderReceiver implements Receiver {
  readonly path: string
  readonly #format: FileFormat
  #faults: Fault[] = []

  constructor(path: string, format: FileFormat) {
    this.path = path
    this.#format = format
  }

  connector(): Connector {
    const files = new FilesConnector({ folder: this.path, format: this.#format })
    const put: Connector['put'] = async records => {
      const fault = this.#faults.shift()
      if (fault === 'outage') return this.#whileNoFolder(() => files.put(records, signal))
      if (fault !== 'timeout_before_commit') {
        const outcomes = await files.put(records, signal)
        if (fault !== 'timeout_after_commit') return outcomes
      }
      return records.map(() => ({ kind: 'unclear', code: 'timeout', detail: '' }))
    }
    return {
      pageSize: 4,
      attemptMs: files.attemptMs,
      settlesWithinMs: files.settlesWithinMs,
      check: () => files.check(),
      find: record => files.find(record),
      put,
    }
  }

  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  refuse(): void {}

  heal(): void {
    this.#faults = []
  }

  /** The key of every record in every file. */
  async effects(): Promise<string[]> {
    const found: string[] = []
    for (const name of await readdir(this.path)) {
      const file = join(this.path, name)
      if (this.#format === 'parquet') {
        const rows = select<{ key: string }>(`SELECT key FROM file('${file}') WHERE document IS NOT NULL`)
        found.push(...rows.map(({ key }) => key))
      } else if (this.#format === 'ndjson') {
        const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
        found.push(...lines.map(line => JSON.parse(line).key))
      } else {
        const rows: Record<string, string>[] = parse(await readFile(file), { columns: true })
        const perEntry = rows.filter(row => row['account'] === '4000')
        found.push(...perEntry.map(row => row['journal_id'] ?? ''))
      }
    }
    return found
  }

  async close(): Promise<void> {}

  async #whileNoFolder<T>(work: () => Promise<T>): Promise<T> {
    const away = `${this.path}.away`
    await mkdir(this.path, { recursive: true })
    await rename(this.path, away)
    await writeFile(this.path, 'no folder')
    try {
      return await work()
    } finally {
      await rm(this.path)
      await rename(away, this.path)
    }
  }
}

const engine = new Session()

function select<T>(query: string): T[] {
  const settings =
    'SETTINGS output_format_json_quote_64bit_integers = 1, output_format_json_quote_decimals = 1'
  const answer = engine.query(`${query} ${settings}`, 'JSONEachRow')
  return answer
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as T)
}

for (const format of ['ndjson', 'csv', 'parquet'] as const) {
  conformanceOf({
    name: `a folder of ${format}`,
    start: async () => {
      numbered += 1
      return new FolderReceiver(join(folder, `conformance-${numbered}`), format)
    },
    faults: ['timeout_before_commit', 'timeout_after_commit', 'outage'],
    refuses: false,
    recordOf: journal,
  })
}

function filesIn(name: string, format: FileFormat): FilesConnector {
  return new FilesConnector({ folder: join(folder, name), format })
}

describe('files', () => {
  test('there is one file per entity and run, and nothing else', async () => {
    await filesIn('names', 'ndjson').put([journal(1), journal(2), batchLine(1)], signal)
    expect((await readdir(join(folder, 'names'))).sort()).toEqual(['default-run_1.ndjson', 'eu-run_1.ndjson'])
  })

  test('a new connector finds what an earlier one wrote, and adds behind it', async () => {
    await filesIn('grow', 'csv').put([journal(2)], signal)
    const before = await readFile(join(folder, 'grow', 'eu-run_1.csv'), 'utf8')
    const found = await filesIn('grow', 'csv').find(journal(2))
    expect(found).toEqual({ kind: 'there', externalId: 'eu-run_1.csv', state: 'posted' })
    await filesIn('grow', 'csv').put([journal(2), journal(4), journal(4)], signal)
    const after = await readFile(join(folder, 'grow', 'eu-run_1.csv'), 'utf8')
    expect(after.startsWith(before)).toBe(true)
    expect(after.match(/^je_4,/gm)).toHaveLength(2) // one for each line of the entry
    expect(after).toContain("'=1200") // no formula
  })

  test('a connector that was stopped between reading and replacing a file takes nothing out of it that came meanwhile', async () => {
    const { withRecords } = formats.ndjson
    const stopped = vi.spyOn(formats.ndjson, 'withRecords').mockImplementationOnce(async (...given) => {
      await filesIn('stopped', 'ndjson').put([journal(4)], signal) // another process has taken over
      return withRecords(...given)
    })
    const late = await filesIn('stopped', 'ndjson').put([journal(2)], signal)
    stopped.mockRestore()
    expect(late).toMatchObject([{ kind: 'throttled', code: 'file_not_written' }])
    expect((await readdir(join(folder, 'stopped'))).sort()).toEqual(['eu-run_1.ndjson'])
    const there = await readFile(join(folder, 'stopped', 'eu-run_1.ndjson'), 'utf8')
    expect(there.match(/"je_4"/)).not.toBeNull()
    expect(there.match(/"je_2"/)).toBeNull()
  })

  test('Parquet is exact: decimals, dates and instants, over a file that grew', async () => {
    const connector = filesIn('exact', 'parquet')
    await connector.put([journal(2)], signal)
    await connector.put([journal(4, { accounting_date: '1999-12-31' })], signal)
    const file = join(folder, 'exact', 'eu-run_1.parquet')
    const types = select<{ name: string; type: string }>(`DESCRIBE TABLE file('${file}')`).filter(
      ({ name }) => ['debit', 'accounting_date', 'service_period_until'].includes(name),
    )
    expect(Object.fromEntries(types.map(({ name, type }) => [name, type]))).toEqual({
      accounting_date: 'Date32',
      debit: 'Decimal(38, 12)',
      service_period_until: expect.stringMatching(/^DateTime64\(9, 'UTC'\)$/),
    })
    const rows = select(
      `SELECT journal_id, toString(accounting_date) AS day, toString(debit) AS debit, toString(credit) AS credit,
         toString(service_period_until) AS until, correlation_id, subscription_version AS v
       FROM file('${file}') ORDER BY journal_id, account DESC`,
    )
    const [untilText, said] = ['2026-11-01 00:00:00.123456789', 'q "1"\nnext']
    const of = (id: string, day: string) => [
      { journal_id: id, day, debit: greatest, credit: '0', until: untilText, correlation_id: said, v: '3' },
      { journal_id: id, day, debit: '0', credit: precise, until: untilText, correlation_id: said, v: '3' },
    ]
    expect(rows).toEqual([...of('je_2', '2026-10-31'), ...of('je_4', '1999-12-31')])
  })

  test('lines of billing batches have a layout of their own, negative amounts included', async () => {
    await filesIn('lines', 'parquet').put([batchLine(1), batchLine(2)], signal)
    const file = join(folder, 'lines', 'eu-run_1.parquet')
    const [row] = select(`SELECT toString(sum(amount)) AS amount, uniqExact(key) AS n FROM file('${file}')`)
    expect(row).toEqual({ amount: '-5.000005', n: '2' })
  })

  test('what Parquet cannot hold is refused alone', async () => {
    const beyond = { from: '2026-10-01T00:00:00Z', until: '2500-01-01T00:00:00Z' }
    const records = [journal(2), journal(4, { service_period: beyond })]
    const outcomes = await filesIn('beyond', 'parquet').put(records, signal)
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted', 'refused'])
  })

  test('a file that is not ours is left as it is', async () => {
    await mkdir(join(folder, 'foreign'))
    await writeFile(join(folder, 'foreign', 'eu-run_1.ndjson'), 'not ours')
    const [outcome] = await filesIn('foreign', 'ndjson').put([journal(2)], signal)
    expect(outcome).toMatchObject({ kind: 'throttled', code: 'file_not_written' })
    expect(await readFile(join(folder, 'foreign', 'eu-run_1.ndjson'), 'utf8')).toBe('not ours')
  })

  test('kinds that have no layout are refused', async () => {
    const [outcome] = await filesIn('kinds', 'csv').put([{ ...journal(2), kind: 'credit_note' }], signal)
    expect(outcome).toMatchObject({ kind: 'refused', code: 'unsupported_kind' })
  })
})
