// Reads journal entries from QuickBooks by its query language: for the look-up of one record, and the list of ours for the
// reconciliation.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import type { DocumentRange, ReceiverDocument } from '../connector.js'
import type { Api, ApiAnswer, ApiResult } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { ReceiverLines } from '../receiver-lines.js'
import type { QuickbooksSettings } from './config.js'
import { keyInNote } from './records.js'

const pageLength = 1_000

const entrySchema = z.object({
  Id: z.string(),
  DocNumber: z.string().default(''),
  TxnDate: z.string().optional(),
  PrivateNote: z.string().default(''),
  CurrencyRef: z.object({ value: z.string() }).optional(),
  Line: z
    .array(
      z.object({
        /** A number that keeps all its digits. */
        Amount: z.unknown(),
        JournalEntryLineDetail: z
          .object({ PostingType: z.string(), AccountRef: z.object({ value: z.string() }).optional() })
          .optional(),
      }),
    )
    .default([]),
})
export type JournalEntry = z.output<typeof entrySchema>

const listSchema = z.object({
  QueryResponse: z.object({ JournalEntry: z.array(entrySchema).default([]) }),
})
const preferencesSchema = z.object({
  QueryResponse: z.object({
    Preferences: z.array(
      z.object({
        CurrencyPrefs: z.object({ HomeCurrency: z.object({ value: z.string().regex(/^[A-Z]{3}$/) }) }),
      }),
    ),
  }),
})
const oneSchema = z.object({ JournalEntry: entrySchema })

type Settings = Pick<QuickbooksSettings, 'realm' | 'minor_version' | 'prefix'>

/** Values in a query have no quotes: settings, keys and dates see to that. */
export function ask(
  api: Api,
  { realm, minor_version: minorVersion }: Settings,
  query: string,
  signal: AbortSignal,
): Promise<ApiResult> {
  const parameters = { query, minorversion: String(minorVersion) }
  return api.send({ method: 'GET', path: `/v3/company/${realm}/query`, query: parameters }, signal)
}

/** Undefined when the answer is no list; an empty list has no member `JournalEntry`. */
export function entriesIn(answer: ApiAnswer): readonly JournalEntry[] | undefined {
  return listSchema.safeParse(jsonIn(answer)).data?.QueryResponse.JournalEntry
}

export function entryIn(answer: ApiAnswer): JournalEntry | undefined {
  return oneSchema.safeParse(jsonIn(answer)).data?.JournalEntry
}

/** Undefined when the answer does not say it. */
export function homeCurrencyIn(answer: ApiAnswer): string | undefined {
  return preferencesSchema.safeParse(jsonIn(answer)).data?.QueryResponse.Preferences[0]?.CurrencyPrefs
    .HomeCurrency.value
}

/** Throws when QuickBooks does not answer with a page: half a list would name as missing what is there. */
export async function* documentsOf(
  api: Api,
  { homeCurrency, ...settings }: Settings & { readonly homeCurrency: string },
  { from, until }: DocumentRange,
  signal: AbortSignal,
): AsyncGenerator<ReceiverDocument, void, undefined> {
  for (let start = 1; ; start += pageLength) {
    const query = `select * from JournalEntry where TxnDate >= '${from}' and TxnDate <= '${until}' orderby MetaData.CreateTime startposition ${start} maxresults ${pageLength}`
    const answer = await ask(api, settings, query, signal)
    if (answer.kind === 'failed') throw new Error('detail' in answer.outcome ? answer.outcome.detail : '')
    const entries = answer.status < 300 ? entriesIn(answer) : undefined
    if (entries === undefined) throw new Error(`HTTP ${answer.status}: ${answer.redact(answer.body)}`)
    for (const entry of entries) {
      const key = keyInNote(entry.PrivateNote, settings.prefix)
      if (key === undefined) continue
      const { Id: externalId, TxnDate: date, CurrencyRef } = entry
      const currency = CurrencyRef?.value ?? homeCurrency
      yield {
        key,
        externalId,
        state: 'posted',
        ...(date === undefined ? {} : { date }),
        currency,
        ...linesOf(entry),
      }
    }
    if (entries.length < pageLength) return
    const endless = withoutEnd(start / pageLength)
    if (endless !== undefined) throw new Error(endless.detail)
  }
}

function jsonIn({ body }: ApiAnswer): unknown {
  const json = parseJson(body)
  return json.kind === 'ok' ? json.value : undefined
}

function linesOf({ Line }: JournalEntry): Pick<ReceiverDocument, 'debit' | 'lines'> {
  const lines = new ReceiverLines()
  for (const { Amount, JournalEntryLineDetail: detail } of Line) {
    if (detail === undefined) continue
    const account = detail.AccountRef?.value ?? ''
    if (detail.PostingType === 'Debit') lines.add(account, Amount)
    else lines.credit(account, Amount)
  }
  return lines.told()
}
