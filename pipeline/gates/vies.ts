// Asks VIES, the EU's register of VAT numbers, about one number, and reads its answer.
// Invariant: only an answer about the number says anything of it. All else (a member state that is away, too many requests, a
// time-out, a redirect, words that nobody knows) is `unavailable`: it is asked again later, and never means invalid.

import { parseJson } from '../../schemas/json/json-text.js'
import { send } from '../../sinks/http/request.js'
import type { ViesSettings } from './settings.js'

export type ViesAnswer =
  /** `reference`: the consultation number, '' where no requester is set. */
  | {
      readonly kind: 'answer'
      readonly status: 'VALID' | 'INVALID' | 'INVALID_INPUT'
      readonly reference: string
    }
  | { readonly kind: 'unavailable'; readonly code: string }

const attemptMs = 30_000

export async function askVies(
  { url, requester }: Pick<ViesSettings, 'url' | 'requester'>,
  number: string,
  signal: AbortSignal,
): Promise<ViesAnswer> {
  const plain = number.toUpperCase().replace(/[^0-9A-Z+*]/g, '')
  const country = plain.slice(0, 2) === 'GR' ? 'EL' : plain.slice(0, 2)
  const ours =
    requester === undefined
      ? {}
      : { requesterMemberStateCode: requester.country, requesterNumber: requester.number }
  const body = JSON.stringify({ countryCode: country, vatNumber: plain.slice(2), ...ours })
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  const address = `${url.replace(/\/$/, '')}/check-vat-number`
  const answer = await send({ method: 'POST', url: address, headers, body }, attemptMs, signal)
  if (answer.kind !== 'answer')
    return { kind: 'unavailable', code: answer.code === 'timeout' ? 'TIMEOUT' : answer.code.toUpperCase() }
  const json = parseJson(answer.body)
  const read = readAnswer(json.kind === 'ok' ? json.value : undefined)
  // What another status says of a number, such as that of a gateway or of a redirect, VIES has not said.
  const isVies = (answer.status >= 200 && answer.status < 300) || answer.status === 400
  return isVies || read.kind === 'unavailable' ? read : { kind: 'unavailable', code: `HTTP_${answer.status}` }
}

export function readAnswer(json: unknown): ViesAnswer {
  const body = isObject(json) ? json : {}
  const wrapped = Array.isArray(body['errorWrappers']) ? (body['errorWrappers'][0] as unknown) : undefined
  const code = String(body['userError'] ?? (isObject(wrapped) ? wrapped['error'] : undefined) ?? '')
  if (code === 'INVALID_INPUT') return { kind: 'answer', status: 'INVALID_INPUT', reference: '' }
  if (code !== '' && code !== 'VALID' && code !== 'INVALID') return { kind: 'unavailable', code }
  const valid = body['valid'] ?? body['isValid']
  if (typeof valid !== 'boolean') return { kind: 'unavailable', code: code === '' ? 'NO_ANSWER' : code }
  const reference = typeof body['requestIdentifier'] === 'string' ? body['requestIdentifier'] : ''
  return { kind: 'answer', status: valid ? 'VALID' : 'INVALID', reference }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
