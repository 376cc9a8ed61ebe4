// Reads one usage event by the meters of the catalog, outside the stream of usage: for an event whose content an amendment
// brings. It scans and normalizes as usage is, so that equal content gives equal readings.

import type { CatalogIndex } from '../../../rating/timeline/catalog-index.js'
import { noInput } from '../../../schemas/event/event-input.js'
import type { ValidEvent } from '../../../schemas/event/usage-event.js'
import { isRecord, parseJson } from '../../../schemas/json/json-text.js'
import { ScanLayout } from '../scan/layout.js'
import { MeterCatalog, type MeteredType, MeterMatch } from '../scan/meter-slots.js'
import { UsageScanner } from '../scan/scanner.js'
import type { UsageContent } from '../state/records.js'
import { Normalizer } from './normalize.js'

const nothing: UsageContent = { kind: 'read', readings: [] }

export class UsageReader {
  #catalog: CatalogIndex | undefined
  #types: ReadonlyMap<string, MeteredType> = new Map()
  #scanner = new UsageScanner(new ScanLayout([]))
  #normalizer = new Normalizer(this.#scanner)

  /** What the meters read from `data`, the JSON text of an object. */
  read(catalog: CatalogIndex, type: string, data: string): UsageContent {
    this.#use(catalog)
    const metered = this.#types.get(type)
    const parsed = metered === undefined ? undefined : parseJson(data)
    if (metered === undefined || parsed?.kind !== 'ok' || !isRecord(parsed.value)) return nothing
    const scan = this.#scanner.scanParsed({ ...anyEvent, type, data: parsed.value })
    const match = this.#normalizer.read(scan, 0, metered)
    if (!(match instanceof MeterMatch)) return { kind: 'refused', rejection: match }
    if (match.meters.length === 0) return nothing
    return { kind: 'read', readings: this.#normalizer.meteredEvent(scan, 0, match, 0, noInput).readings }
  }

  #use(catalog: CatalogIndex): void {
    if (catalog === this.#catalog) return
    const { paths, types } = new MeterCatalog(catalog)
    this.#catalog = catalog
    this.#types = new Map(types.map(type => [type.none.type, type]))
    this.#scanner = new UsageScanner(new ScanLayout(paths))
    this.#normalizer = new Normalizer(this.#scanner)
  }
}

/** The attributes that no meter reads. */
const anyEvent: Omit<ValidEvent, 'type' | 'data'> = {
  id: 'amended',
  source: 'amended',
  subject: 'amended',
  timeText: undefined,
  timeNs: 0n,
  isTimeStamped: false,
  subscriptionId: undefined,
  correlationId: '',
  traceparent: '',
}
