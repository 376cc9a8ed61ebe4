// Issues about exceptions: found by a label that has the exception, because Jira knows no key of ours. Its search is behind by
// some seconds, so a look-up that finds nothing proves nothing before two minutes.
// Invariant: a comment is written before the status, and both are looked at before either is written again.

import { z } from 'zod'
import type { CheckOutcome, PutOutcome } from '../connector.js'
import type { ConnectorParts } from '../connector-kind.js'
import { Api, type ApiAnswer, type ApiRequest, jsonOf, strangeAnswer } from '../http/api.js'
import { basic } from '../http/authorizer.js'
import { pageMs } from '../http/limiter.js'
import { withoutEnd } from '../http/list-end.js'
import { unavailable } from '../http/outcome.js'
import type { CaseFound, CaseSystem, CaseThere, CaseToTell } from '../write-back/case-connector.js'
import { type JiraSettings, writtenFields } from './config.js'
import { outcomeOfRefusal } from './outcome.js'

const requestMs = 30_000
const commentsOfPage = 100
const longestSummary = 255
const longestText = 32_000

const issuesSchema = z.object({
  issues: z.array(
    z.object({
      id: z.string(),
      key: z.string(),
      fields: z.object({ status: z.object({ name: z.string() }), labels: z.array(z.string()) }),
    }),
  ),
})
const madeSchema = z.object({ id: z.string(), key: z.string() })
const commentsSchema = z.object({
  total: z.int(),
  comments: z.array(z.object({ body: z.unknown() })),
})
const transitionsSchema = z.object({
  transitions: z.array(z.object({ id: z.string(), to: z.object({ name: z.string() }) })),
})

type Answered = { readonly kind: 'good'; readonly answer: ApiAnswer } | PutOutcome

export class Issues implements CaseSystem {
  readonly object = 'issue'
  readonly pageSize = 4
  readonly settlesWithinMs = 2 * 60_000
  readonly attemptMs: number
  readonly written: readonly string[]
  readonly #settings: JiraSettings
  readonly #api: Api

  constructor(settings: JiraSettings, { limiter, nowMs, rate, secret }: ConnectorParts) {
    const { auth, url } = settings
    this.#settings = settings
    this.written = writtenFields(settings)
    this.attemptMs = pageMs(requestMs, 6 * this.pageSize, rate)
    const authorizer = basic(
      () => ({ kind: 'ok', secret: auth.user }),
      () => secret(auth.api_token),
    )
    this.#api = new Api({ baseUrl: url, authorizer, limiter, requestMs, nowMs })
  }

  async check(signal: AbortSignal): Promise<CheckOutcome> {
    const sent = await this.#send({ method: 'GET', path: '/rest/api/3/myself' }, signal)
    return sent.kind === 'good' ? { kind: 'ready' } : unavailable(sent)
  }

  async find(exceptionId: string, signal: AbortSignal): Promise<CaseFound> {
    const { project } = this.#settings.issue
    const label = labelOf(exceptionId)
    const jql = `project = "${project}" AND labels = "${label}" ORDER BY created ASC`
    const json = { jql, fields: ['status', 'labels'], maxResults: 10 }
    const sent = await this.#send({ method: 'POST', path: '/rest/api/3/search/jql', body: { json } }, signal)
    if (sent.kind !== 'good') return sent
    const page = issuesSchema.safeParse(jsonOf(sent.answer))
    if (!page.success) return strangeAnswer(sent.answer)
    // A copy that somebody made there has the label too: the first one is ours.
    const first = page.data.issues.find(one => one.fields.labels.includes(label))
    if (first === undefined) return { kind: 'absent' }
    const { id, key, fields } = first
    return { kind: 'there', found: { id, name: key, status: fields.status.name } }
  }

  async create({ told }: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const { project, type, labels, fields } = this.#settings.issue
    const json = {
      fields: {
        ...fields,
        project: { key: project },
        issuetype: { name: type },
        summary: told.subject.replaceAll('\n', ' ').slice(0, longestSummary),
        description: documentOf(told.description),
        labels: [labelOf(told.exception_id), ...labels],
      },
    }
    const sent = await this.#send({ method: 'POST', path: '/rest/api/3/issue', body: { json } }, signal)
    if (sent.kind !== 'good') return sent
    const made = madeSchema.safeParse(jsonOf(sent.answer))
    return made.success ? { kind: 'accepted', externalId: made.data.id } : strangeAnswer(sent.answer)
  }

  async isTold(there: CaseThere, one: CaseToTell, signal: AbortSignal): Promise<boolean | PutOutcome> {
    const hasComment = await this.#hasComment(there, one, signal)
    if (hasComment !== true) return hasComment
    const wanted = this.#statusOf(one)
    return wanted === undefined || wanted === there.status
  }

  async tell(there: CaseThere, one: CaseToTell, signal: AbortSignal): Promise<PutOutcome> {
    const path = `/rest/api/3/issue/${there.id}`
    const hasComment = await this.#hasComment(there, one, signal)
    if (typeof hasComment !== 'boolean') return hasComment
    if (!hasComment) {
      const json = { body: documentOf(`${one.told.comment} ${markOf(one.key)}`) }
      const sent = await this.#send({ method: 'POST', path: `${path}/comment`, body: { json } }, signal)
      if (sent.kind !== 'good') return sent
    }
    const wanted = this.#statusOf(one)
    const accepted = { kind: 'accepted', externalId: there.id } as const
    if (wanted === undefined || wanted === there.status) return accepted
    const asked = await this.#send({ method: 'GET', path: `${path}/transitions` }, signal)
    if (asked.kind !== 'good') return asked
    const known = transitionsSchema.safeParse(jsonOf(asked.answer))
    if (!known.success) return strangeAnswer(asked.answer)
    const transition = known.data.transitions.find(each => each.to.name === wanted)
    if (transition === undefined) {
      const names = known.data.transitions.map(each => each.to.name).join(', ')
      const detail = `from ${there.status} nothing leads to ${wanted}; there is ${names === '' ? 'nothing' : names}`
      return { kind: 'refused', code: 'receiver_refused', detail }
    }
    const json = { transition: { id: transition.id } }
    const moved = await this.#send({ method: 'POST', path: `${path}/transitions`, body: { json } }, signal)
    return moved.kind === 'good' ? accepted : moved
  }

  #statusOf({ told }: CaseToTell): string | undefined {
    const { settled, reopened } = this.#settings.issue
    return told.state === 'settled' ? settled : reopened
  }

  async #hasComment(
    { id }: CaseThere,
    { key }: CaseToTell,
    signal: AbortSignal,
  ): Promise<boolean | PutOutcome> {
    for (let page = 0; ; page += 1) {
      const startAt = page * commentsOfPage
      const query = { startAt: String(startAt), maxResults: String(commentsOfPage), orderBy: '-created' }
      const path = `/rest/api/3/issue/${id}/comment`
      const sent = await this.#send({ method: 'GET', path, query }, signal)
      if (sent.kind !== 'good') return sent
      const read = commentsSchema.safeParse(jsonOf(sent.answer))
      if (!read.success) return strangeAnswer(sent.answer)
      const { comments, total } = read.data
      if (comments.some(one => JSON.stringify(one.body).includes(markOf(key)))) return true
      if (comments.length === 0 || startAt + comments.length >= total) return false
      const endless = withoutEnd(page + 1)
      if (endless !== undefined) return endless
    }
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<Answered> {
    const answer = await this.#api.send(request, signal)
    if (answer.kind === 'failed') return answer.outcome
    return answer.status < 300 ? { kind: 'good', answer } : outcomeOfRefusal(answer)
  }
}

/** A label has no space, and 255 characters at most. */
function labelOf(exceptionId: string): string {
  return `weir-${exceptionId}`
}

/** A text in the form of Atlassian documents: a paragraph for each line. */
function documentOf(text: string): object {
  const lines = text
    .slice(0, longestText)
    .split('\n')
    .filter(line => line !== '')
  const content = lines.map(line => ({ type: 'paragraph', content: [{ type: 'text', text: line }] }))
  return { type: 'doc', version: 1, content }
}

function markOf(key: string): string {
  return `[${key}]`
}
