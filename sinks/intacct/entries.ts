// The lines of general ledger batches in Intacct, which its list of batches does not have: their accounts, amounts and currency.
// Invariants: amounts keep their digits; lines that cannot be read to their end are an error, because half of them would look like
// another amount.

import { z } from 'zod'
import type { ReceiverDocument } from '../connector.js'
import { strangeAnswer } from '../http/api.js'
import { withoutEnd } from '../http/list-end.js'
import type { XmlTree } from '../http/xml.js'
import { ReceiverLines } from '../receiver-lines.js'
import type { GatewayResult } from './gateway.js'

const linesOfPage = 1_000
/** Numbers in one query, so that its text stays short. */
const batchesOfQuery = 100

const text = z.string().default('')
const listSchema = z.object({
  '@numremaining': z.string().default('0'),
  '@resultId': z.string().default(''),
  glentry: z
    .array(
      z.object({ BATCHNO: z.string(), ACCOUNTNO: text, TR_TYPE: text, TRX_AMOUNT: text, CURRENCY: text }),
    )
    .default([]),
})

type Told = Pick<ReceiverDocument, 'debit' | 'lines' | 'currency'>
type Ask = (call: XmlTree) => Promise<GatewayResult>

/** By the record number of the batch. Throws when Intacct does not answer with lines. */
export async function linesOfBatches(
  ask: Ask,
  batches: readonly string[],
): Promise<ReadonlyMap<string, Told>> {
  const found = new Map<string, { readonly lines: ReceiverLines; readonly currencies: Set<string> }>()
  for (let from = 0; from < batches.length; from += batchesOfQuery) {
    const numbers = batches.slice(from, from + batchesOfQuery).map(one => `'${one.replaceAll("'", '')}'`)
    for await (const line of linesOf(ask, `BATCHNO in (${numbers.join(',')})`)) {
      const of = found.get(line.BATCHNO) ?? { lines: new ReceiverLines(), currencies: new Set<string>() }
      found.set(line.BATCHNO, of)
      if (line.TR_TYPE === '1') of.lines.add(line.ACCOUNTNO, line.TRX_AMOUNT)
      else of.lines.credit(line.ACCOUNTNO, line.TRX_AMOUNT)
      if (line.CURRENCY !== '') of.currencies.add(line.CURRENCY)
    }
  }
  return new Map(
    [...found].map(
      ([
        batch,
        {
          lines,
          currencies: [currency, second],
        },
      ]) => {
        const one = currency === undefined || second !== undefined ? {} : { currency }
        return [batch, { ...lines.told(), ...one }]
      },
    ),
  )
}

async function* linesOf(ask: Ask, query: string) {
  const fields = 'BATCHNO,ACCOUNTNO,TR_TYPE,TRX_AMOUNT,CURRENCY'
  let next: XmlTree = {
    readByQuery: { object: 'GLENTRY', fields, query, pagesize: String(linesOfPage) },
  }
  for (let pages = 1; ; pages += 1) {
    const result = await ask(next)
    if (result.kind === 'failed') throw new Error('detail' in result.outcome ? result.outcome.detail : '')
    const page = listSchema.safeParse(result.data)
    if (!page.success) {
      const strange = strangeAnswer(result.answer)
      throw new Error('detail' in strange ? strange.detail : strange.kind)
    }
    yield* page.data.glentry
    if (page.data['@numremaining'] === '0') return
    const endless = withoutEnd(pages)
    if (endless !== undefined) throw new Error(endless.detail)
    next = { readMore: { resultId: page.data['@resultId'] } }
  }
}
