// Reads manual journals from Xero: for the look-up of one record, and the list of ours for the reconciliation.
// Invariant: only DRAFT and POSTED are there for us; what somebody deleted or voided is not.

import { z } from 'zod'
import { parseJson } from '../../schemas/json/json-text.js'
import type { DocumentRange, ReceiverDocument } from '../connector.js'
import type { Api, ApiAnswer } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import { ReceiverLines } from '../receiver-lines.js'
import { keyInNarration } from './records.js'

const pageLength = 100

const journalsSchema = z.object({
  ManualJournals: z.array(
    z.object({
      ManualJournalID: z.string(),
      Narration: z.string().default(''),
      Date: z.string().default(''),
      Status: z.string().default(''),
      /** Numbers that keep all their digits. */
      JournalLines: z
        .array(z.object({ LineAmount: z.unknown(), AccountCode: z.string().default('') }))
        .default([]),
    }),
  ),
})
export type ManualJournal = z.output<typeof journalsSchema>['ManualJournals'][number]

const organisationsSchema = z.object({
  Organisations: z.array(z.object({ BaseCurrency: z.string().regex(/^[A-Z]{3}$/) })),
})

/** Undefined when the answer does not say it. */
export function baseCurrencyIn({ body }: Pick<ApiAnswer, 'body'>): string | undefined {
  const json = parseJson(body)
  return json.kind === 'ok'
    ? organisationsSchema.safeParse(json.value).data?.Organisations[0]?.BaseCurrency
    : undefined
}

/** Undefined when the answer is no list. */
export function journalsIn({ body }: Pick<ApiAnswer, 'body'>): readonly ManualJournal[] | undefined {
  const json = parseJson(body)
  return json.kind === 'ok' ? journalsSchema.safeParse(json.value).data?.ManualJournals : undefined
}

export function stateOf({ Status }: Pick<ManualJournal, 'Status'>): 'written' | 'posted' | undefined {
  if (Status === 'POSTED') return 'posted'
  return Status === 'DRAFT' ? 'written' : undefined
}

/** Throws when Xero does not answer with a page: half a list would name as missing what is there. */
export async function* documentsOf(
  api: Api,
  { prefix, currency }: { readonly prefix: string; readonly currency: string },
  { from, until }: DocumentRange,
  signal: AbortSignal,
): AsyncGenerator<ReceiverDocument, void, undefined> {
  const where = `Date>=${dateOf(from)}&&Date<=${dateOf(until)}&&Narration.StartsWith("${prefix}")`
  for (let page = 1; ; page += 1) {
    const query = { where, order: 'ManualJournalID ASC', page: String(page), pageSize: String(pageLength) }
    const answer = await api.send({ method: 'GET', path: '/ManualJournals', query }, signal)
    if (answer.kind === 'failed') throw new Error('detail' in answer.outcome ? answer.outcome.detail : '')
    const journals = answer.status < 300 ? journalsIn(answer) : undefined
    if (journals === undefined) throw new Error(`HTTP ${answer.status}: ${answer.redact(answer.body)}`)
    for (const journal of journals) {
      const key = keyInNarration(journal.Narration, prefix)
      const state = stateOf(journal)
      if (key === undefined || state === undefined) continue
      const date = dayOf(journal.Date)
      const externalId = journal.ManualJournalID
      yield {
        key,
        externalId,
        state,
        ...(date === undefined ? {} : { date }),
        currency,
        ...linesOf(journal),
      }
    }
    if (journals.length < pageLength) return
    const endless = withoutEnd(page)
    if (endless !== undefined) throw new Error(endless.detail)
  }
}

/** `2026-10-31` as Xero's filter has it. */
function dateOf(day: string): string {
  return `DateTime(${day.replaceAll('-', ',')})`
}

/** `/Date(1793404800000+0000)/` as a day. */
function dayOf(text: string): string | undefined {
  const ms = /^\/Date\((-?\d+)/.exec(text)?.[1]
  return ms === undefined ? undefined : new Date(Number(ms)).toISOString().slice(0, 10)
}

function linesOf({ JournalLines }: ManualJournal): Pick<ReceiverDocument, 'debit' | 'lines'> {
  const lines = new ReceiverLines()
  for (const { LineAmount, AccountCode } of JournalLines) lines.add(AccountCode, LineAmount)
  return lines.told()
}
