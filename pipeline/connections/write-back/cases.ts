// Makes the document of a support case from an exception: the first words, and what has come of it. Pure.

import type { CaseDocument } from '../../../sinks/write-back/case-record.js'
import type { ToldException } from '../../feature/open-exceptions.js'

/** Characters of what failed, in the first line. */
const longestDetail = 120

export function caseOf(exception: ToldException, number: number, asOf: string): CaseDocument {
  const { exceptionId, code, owner, customerId, correlationId, state } = exception
  const isOpen = state === 'open'
  return {
    exception_id: exceptionId,
    state: isOpen ? 'open' : 'settled',
    number,
    ...{ code, owner, customer_id: customerId, correlation_id: correlationId, as_of: asOf },
    subject: subjectOf(exception),
    description: descriptionOf(exception),
    comment: number === 1 ? '' : commentOf(exception),
  }
}

/** It is not in the list any more: what was told last, and that. */
export function goneCase(last: CaseDocument, number: number, asOf: string): CaseDocument {
  return { ...last, state: 'settled', number, as_of: asOf, comment: freedWords }
}

const freedWords = 'What it waited for has come, or its reason was mended.'

function subjectOf({ code, customerId, detail }: ToldException): string {
  const who = customerId === '' ? '' : ` for ${customerId}`
  return `${code}${who}: ${detail.slice(0, longestDetail)}`
}

function descriptionOf(exception: ToldException): string {
  const { exceptionId, kind, code, detail, about, customerId, owner, atStake } = exception
  const facts: readonly (readonly [string, string])[] = [
    ['Exception', `${exceptionId} (${kind}, ${code})`],
    ['About', about],
    ['Customer', customerId],
    ['Owner', owner],
    ['At stake', atStake === '' ? 'not known' : atStake],
    ['Since', exception.firstAt],
    ['Correlation', exception.correlationId],
    ['Next', exception.next],
  ]
  const lines = facts.filter(([, value]) => value !== '').map(([name, value]) => `${name}: ${value}`)
  return [detail, '', ...lines].join('\n')
}

function commentOf({ state, answer, detail, lastAt }: ToldException): string {
  if (state === 'open') return `It failed again at ${lastAt}: ${detail}`
  const how = state === 'freed' ? freedWords : `It was ${state}.`
  return answer === '' ? how : `${how} ${answer}`
}
