// The file connector: one file per legal entity and billing run, `<entity>-<run>.<format>`.
//
// When further records of its run arrive, the whole file is replaced: a reader finds all records of the run
// that were delivered so far, and never half a record.
// Invariants:
// 1. The files contain a record once, also after a crash: a file is read before it is replaced.
// 2. A process that was stopped between reading and replacing a file does not replace what another one has written since.
// 3. A reader never sees a file half written (whole-file.ts).
// 4. A record that the format cannot hold is refused alone.

import { join } from 'node:path'
import { customerToken, entityToken, stableId } from '../../schemas/identifiers.js'
import type { CheckOutcome, Connector, ConnectorRecord, FindOutcome, PutOutcome } from '../connector.js'
import { layoutOf } from './columns.js'
import type { FilesConfig } from './config.js'
import { formats } from './formats.js'
import { parquetValue } from './parquet.js'
import { PlacementUnclear, readWhole, stampOf, writeWhole } from './whole-file.js'

/** File systems allow names of 255 bytes. */
const longestName = 200

export class FilesConnector implements Connector {
  readonly pageSize = 2_000
  readonly attemptMs = 30_000
  readonly settlesWithinMs = 0
  readonly #config: FilesConfig

  constructor(config: FilesConfig) {
    this.#config = config
  }

  async check(): Promise<CheckOutcome> {
    return { kind: 'ready' }
  }

  async put(records: readonly ConnectorRecord[], signal: AbortSignal): Promise<readonly PutOutcome[]> {
    const outcomes = new Map<ConnectorRecord, PutOutcome>()
    const byFile = new Map<string, ConnectorRecord[]>()
    for (const record of records) {
      const refused = this.#refusal(record)
      if (refused !== undefined) outcomes.set(record, refused)
      else byFile.set(this.#fileOf(record), [...(byFile.get(this.#fileOf(record)) ?? []), record])
    }
    for (const [file, ofFile] of byFile) {
      const outcome = await this.#putIn(file, ofFile, signal)
      for (const record of ofFile) outcomes.set(record, outcome)
    }
    return records.map(record => outcomes.get(record)!)
  }

  async find(record: ConnectorRecord): Promise<FindOutcome> {
    const [file, layout] = [this.#fileOf(record), layoutOf(record.kind)]
    if (layout === undefined) return { kind: 'absent' }
    try {
      const content = await readWhole(join(this.#config.folder, file))
      if (content === undefined) return { kind: 'absent' }
      const keys = await formats[this.#config.format].keysIn(content, layout)
      return keys.has(record.key) ? { kind: 'there', externalId: file, state: 'posted' } : { kind: 'absent' }
    } catch (error) {
      return { kind: 'unknown_yet', code: 'file_unreadable', detail: `${file}: ${String(error)}` }
    }
  }

  async #putIn(file: string, records: readonly ConnectorRecord[], signal: AbortSignal): Promise<PutOutcome> {
    const path = join(this.#config.folder, file)
    const format = formats[this.#config.format]
    const layout = layoutOf(records[0]!.kind)!
    if (signal.aborted) return { kind: 'throttled', code: 'aborted', detail: 'stopped before the attempt' }
    try {
      const stamp = await stampOf(path)
      const there = await readWhole(path)
      const keys = new Set(there === undefined ? [] : await format.keysIn(there, layout))
      const missing: ConnectorRecord[] = [] // invariant 1
      for (const record of records) {
        if (keys.has(record.key)) continue
        keys.add(record.key)
        missing.push(record)
      }
      if (missing.length > 0)
        await writeWhole(path, await format.withRecords(there, layout, missing), { stamp })
      return { kind: 'accepted', externalId: file }
    } catch (error) {
      const detail = `${path}: ${error instanceof Error ? error.message : String(error)}`
      if (error instanceof PlacementUnclear) return { kind: 'unclear', code: 'placement_unclear', detail }
      return { kind: 'throttled', code: 'file_not_written', detail }
    }
  }

  #refusal(record: ConnectorRecord): PutOutcome | undefined {
    const layout = layoutOf(record.kind)
    if (layout === undefined) {
      return { kind: 'refused', code: 'unsupported_kind', detail: `files take no ${record.kind}` }
    }
    if (this.#config.format !== 'parquet') return undefined
    try {
      for (const cells of layout.rowsOf(record)) {
        for (const [index, { type }] of layout.columns.entries()) parquetValue(type, cells[index] ?? '')
      }
      return undefined
    } catch (error) {
      return { kind: 'refused', code: 'value_out_of_range', detail: String((error as Error).message) }
    }
  }

  #fileOf({ document }: ConnectorRecord): string {
    const source = document['source'] as { billing_run_id?: string; release_id?: string } | undefined
    const run = String(
      source?.release_id || (source?.billing_run_id ?? document['billing_run_id'] ?? 'no-run'),
    )
    const name = `${entityToken(String(document['entity_id'] ?? ''))}-${customerToken(run)}`
    const short: (text: string) => string = text =>
      text.length <= longestName ? text : `${text.slice(0, longestName - 40)}-${stableId('f', text)}`
    return `${short(name)}.${this.#config.format}`
  }
}
