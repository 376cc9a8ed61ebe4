// How the API of a system is read: which lists, how a page names the next one. All of them take the key as a bearer token.

import type { ForeignExport } from '../export-files.js'
import type { ForeignObject } from '../fields.js'
import type { Period } from '../imported.js'

export interface ListRequest {
  /** The kind of the objects, by which the file is named. */
  readonly kind: string
  /** Below the base URL, encoded. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  /** Added to each object, where the list does not say it of them. */
  readonly told?: Readonly<Record<string, string>>
}

export interface ListPage {
  readonly objects: readonly ForeignObject[]
  /** What of the query the next page needs; undefined: it was the last. */
  readonly next: Readonly<Record<string, string>> | undefined
}

export interface DownloadPlan {
  /** The stages in order; what is read in one decides what is asked for in the next. */
  readonly stages: readonly ((
    found: ForeignExport,
    period: Period,
    nowMs: number,
  ) => readonly ListRequest[])[]
  /** Undefined: the answer is no page. */
  pageOf(body: unknown, request: ListRequest, query: Readonly<Record<string, string>>): ListPage | undefined
}
