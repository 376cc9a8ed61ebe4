// Reads the lists of an API, page by page, into files below `raw`. What was read stays: a read that was cut off goes on with the
// page that is missing, and one that is whole is not read again.
// Invariants: a page is on disk before the place behind it is noted, and of a page that is written twice the repetition is
// cut off; no file and no message holds the key.

import { hash } from 'node:crypto'
import { appendFile, mkdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseJson, stringifyJson } from '../../../schemas/json/json-text.js'
import { Api } from '../../../sinks/http/api.js'
import { headerKey } from '../../../sinks/http/authorizer.js'
import { limiterOf } from '../../../sinks/http/limiter.js'
import type { Progress } from '../../terminal/progress.js'
import { ExportReader, type ForeignExport } from '../export-files.js'
import { Findings } from '../findings.js'
import type { ForeignSystem } from '../foreign-system.js'
import type { Period } from '../imported.js'
import type { ListPage, ListRequest } from './download-plan.js'

export interface DownloadOptions {
  readonly baseUrl: string
  readonly key: string
  readonly folder: string
  readonly period: Period
  readonly system: ForeignSystem
  readonly progress: Progress
  readonly nowMs?: () => number
  readonly pause?: (ms: number) => Promise<void>
}

/** Of one list: where its pages end in the file, and what the next one is asked for; `done`: there is none. */
interface Place {
  readonly bytes: number
  readonly objects: number
  readonly next: Readonly<Record<string, string>>
  readonly done: boolean
}

interface Places {
  /** What is read: another period or address begins anew. */
  readonly of: string
  /** The clock of the first read, so that what goes on asks for the same. */
  readonly startedMs: number
  readonly lists: Record<string, Place>
}

const placesFile = 'download-places.txt'
const requestMs = 60_000
const tries = 6
const firstPauseMs = 500
const longestPauseMs = 60_000
/** When the other system says how long. */
const longestWaitMs = 900_000
const rate = { per_second: 20, concurrent: 1 }

export async function downloadAll(options: DownloadOptions): Promise<void> {
  const { folder, system, period, baseUrl, progress, nowMs = Date.now } = options
  await mkdir(folder, { recursive: true })
  const of = hash('sha256', JSON.stringify([system.name, baseUrl, period.text]), 'hex')
  const kept = await readPlaces(folder)
  if (kept !== undefined && kept.of !== of)
    throw new Error(
      `other_download: ${folder} holds what was read for another period or address; take another --out.`,
    )
  const places: Places = kept ?? { of, startedMs: nowMs(), lists: {} }
  const asker = new Asker(options)
  for (const stage of system.download.stages) {
    const found = await readBack(folder, system, places)
    for (const request of stage(found, period, places.startedMs)) {
      const step = progress.step(
        `${request.kind} ${request.told === undefined ? '' : Object.values(request.told).join(' ')}`.trim(),
        0,
      )
      await oneList(request, places, asker, options, step.advance)
      step.done()
    }
  }
}

async function oneList(
  request: ListRequest,
  places: Places,
  asker: Asker,
  { folder, system }: DownloadOptions,
  advance: (count: number) => void,
): Promise<void> {
  const name = fileOf(request)
  let place: Place = places.lists[name] ?? { bytes: 0, objects: 0, next: request.query, done: false }
  if (place.done) return
  const file = join(folder, name)
  await appendFile(file, '')
  await truncate(file, place.bytes)
  while (!place.done) {
    const page = await asker.page(request, place.next, system)
    const text = page.objects.map(object => `${stringifyJson({ ...object, ...request.told })}\n`).join('')
    await appendFile(file, text)
    advance(page.objects.length)
    place = {
      bytes: place.bytes + Buffer.byteLength(text),
      objects: place.objects + page.objects.length,
      next: page.next ?? {},
      done: page.next === undefined,
    }
    places.lists[name] = place
    await writeFile(join(folder, `${placesFile}.part`), JSON.stringify(places))
    await rename(join(folder, `${placesFile}.part`), join(folder, placesFile))
  }
}

/** Named by kind, so that it is read back as one; lists of one kind apart by what is asked. */
function fileOf({ kind, path, query, told }: ListRequest): string {
  if (told === undefined) return `${kind}.ndjson`
  const digits = hash('sha256', JSON.stringify([path, query]), 'hex').slice(0, 12)
  return `${kind}-${BigInt(`0x${digits}`)}.ndjson`
}

async function readPlaces(folder: string): Promise<Places | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, placesFile), 'utf8')) as Places
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function readBack(folder: string, system: ForeignSystem, places: Places): Promise<ForeignExport> {
  const reader = new ExportReader(system.kinds, new Findings())
  for (const [name, { done }] of Object.entries(places.lists))
    if (done) reader.file(name, await readFile(join(folder, name)))
  return reader.objects
}

/** Asks for a page until there is one: limits are waited for, dropped connections tried again. */
class Asker {
  readonly #api: Api
  readonly #pause: (ms: number) => Promise<void>
  readonly #progress: Progress

  constructor({ baseUrl, key, progress, nowMs = Date.now, pause = wait }: DownloadOptions) {
    const authorizer = headerKey('authorization', () => ({ kind: 'ok', secret: key }), 'Bearer ')
    this.#api = new Api({ baseUrl, authorizer, limiter: limiterOf(rate), requestMs, nowMs })
    this.#pause = pause
    this.#progress = progress
  }

  async page(
    request: ListRequest,
    query: Readonly<Record<string, string>>,
    system: ForeignSystem,
  ): Promise<ListPage> {
    let pauseMs = firstPauseMs
    for (let attempt = 1; ; attempt += 1) {
      const asked = await this.#ask(request, query)
      if (asked.kind === 'read') {
        const page = system.download.pageOf(asked.value, request, query)
        if (page !== undefined) return page
        throw new Error(`answer_not_understood: ${request.path} answers with something that is no page.`)
      }
      const told = `${asked.code}: ${request.path}: ${asked.detail}`
      if (asked.isFinal) throw new Error(told)
      if (attempt === tries) throw new Error(`${told}. Run the same command again to go on from here.`)
      const waitMs = Math.min(asked.waitMs ?? pauseMs, longestWaitMs)
      this.#progress.notice(`${told}, asking again in ${(waitMs / 1000).toFixed(1)} s`)
      await this.#pause(waitMs)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }

  async #ask({ path }: ListRequest, query: Readonly<Record<string, string>>): Promise<Asked> {
    const sent = await this.#api.send({ method: 'GET', path, query }, new AbortController().signal)
    if (sent.kind === 'failed') {
      const { outcome } = sent
      const { code, detail } = 'code' in outcome ? outcome : { code: 'no_answer', detail: '' }
      const waitMs = outcome.kind === 'throttled' ? outcome.retryAfterMs : undefined
      return { kind: 'failed', code, detail, isFinal: outcome.kind === 'stopped', waitMs }
    }
    const { status, body, redact } = sent
    const refused = { kind: 'failed', isFinal: true, waitMs: undefined } as const
    if (status === 401 || status === 403)
      return {
        ...refused,
        code: 'credentials_refused',
        detail: `it answers ${status}: the key may not read it.`,
      }
    if (status >= 300)
      return {
        ...refused,
        code: 'source_refuses',
        detail: `it answers ${status}: ${redact(body).slice(0, 300)}`,
      }
    const json = parseJson(body)
    if (json.kind === 'ok') return { kind: 'read', value: json.value }
    // A connection that drops leaves the beginning of an answer.
    return {
      kind: 'failed',
      code: 'no_answer',
      detail: 'the answer breaks off',
      isFinal: false,
      waitMs: undefined,
    }
  }
}

type Asked =
  | { readonly kind: 'read'; readonly value: unknown }
  | {
      readonly kind: 'failed'
      readonly code: string
      readonly detail: string
      /** Asking again does not help. */
      readonly isFinal: boolean
      /** How long the other system says to wait. */
      readonly waitMs: number | undefined
    }

function wait(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
