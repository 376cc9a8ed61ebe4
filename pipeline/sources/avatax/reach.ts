// Reads from AvaTax: one transaction with its lines and details, and the list of those that changed in a stretch of time. AvaTax lists only
// documents of the last 30 days unless the filter names their date.

import { stringifyJson } from '../../../schemas/json/json-text.js'
import { formatInstantMs } from '../../../schemas/time.js'
import { limiterOf, type Rate } from '../../../sinks/http/limiter.js'
import { basicHeader } from '../basic-proof.js'
import { apiKeyOf, SourceApi, wholeList } from '../source-api.js'
import { type ReachParts, type SourceReach, SourceTrouble } from '../source-kind.js'
import { draftOf } from './loaded.js'

/** The limits of AvaTax are not published. */
const usualRate: Rate = { per_second: 5, concurrent: 2 }
const pageMost = 100
const mostBackMs = 3 * 365 * 86_400_000

export function avataxReach(parts: ReachParts): SourceReach {
  const { settings, nowMs } = parts
  const company = encoded(String(settings['company_code']))
  const api = new SourceApi({
    system: 'AvaTax',
    baseUrl: `${String(settings['api_url'] ?? 'https://rest.avatax.com').replace(/\/$/, '')}/api/v2`,
    limiter: limiterOf((settings['rate'] as Rate | undefined) ?? usualRate),
    nowMs,
    headers: { 'x-avalara-client': 'weir; 1.0; REST; ; ' },
    authorization: () =>
      basicHeader(
        String(settings['account_id'] ?? ''),
        apiKeyOf(parts, 'AvaTax is to be read: the source needs account_id and api_key.'),
      ),
  })
  return {
    async fetch({ object, id }, signal) {
      const [type = '', code = ''] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)]
      if (object !== 'transaction' || type === '')
        return { kind: 'gone', detail: `Objects of type ${object} are not read.` }
      const query = { documentType: type, $include: 'Details' }
      const page = await api.get(`/companies/${company}/transactions/${encoded(code)}`, query, signal)
      if (page === undefined) return { kind: 'gone', detail: `AvaTax has no ${type} ${code}.` }
      if (page.body['code'] !== code)
        throw new SourceTrouble(
          'answer_not_understood',
          'AvaTax answers with something that is not the document.',
        )
      return { kind: 'found', arrival: draftOf(Buffer.from(stringifyJson(page.body))) }
    },
    async catchUp({ stage, fromMs, untilMs, position }, signal) {
      if (stage !== 'money') return { arrivals: [], position: undefined }
      const skip = typeof position === 'number' ? position : 0
      const filter = [
        `modifiedDate ge '${formatInstantMs(fromMs)}' and modifiedDate le '${formatInstantMs(untilMs)}'`,
        `date ge '${formatInstantMs(Math.max(0, fromMs - mostBackMs)).slice(0, 10)}'`,
      ].join(' and ')
      const query = {
        $filter: filter,
        $include: 'Details',
        $orderBy: 'modifiedDate ASC, id ASC',
        $top: String(pageMost),
        $skip: String(skip),
      }
      const page = await api.get(`/companies/${company}/transactions`, query, signal)
      if (page === undefined) throw new SourceTrouble('company_unknown', 'AvaTax has no such company.')
      const found = wholeList('AvaTax', page.body['value'])
      const arrivals = found.map(one => draftOf(Buffer.from(stringifyJson(one))))
      return { arrivals, position: found.length < pageMost ? undefined : skip + found.length }
    },
  }
}

/** As AvaTax asks for it of codes with these characters. */
function encoded(code: string): string {
  const replaced = code.replace(/[/+?%#]/g, one => `_-ava${one.charCodeAt(0).toString(16)}-_`)
  return encodeURIComponent(replaced)
}
