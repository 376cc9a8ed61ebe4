// A fake Jira Cloud: issues with labels, a search that is behind, comments as Atlassian documents, and a workflow of three statuses.
// The texts of its errors are ours, in Jira's form.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Connector } from '../../connector.js'
import type { BookedDocument } from '../../testing/booked.js'
import { Documents, type StoredDocument } from '../../testing/documents.js'
import type { StartedFake } from '../../testing/fake-of-kind.js'
import { type FakeAnswer, FakeServer } from '../../testing/fake-server.js'
import type { Fault } from '../../testing/fault.js'
import { allAllowed, openConnector } from '../../testing/open-connector.js'
import { jiraKind } from '../kind.js'

interface Issue {
  readonly project: { readonly key: string }
  readonly issuetype: { readonly name: string }
  readonly summary: string
  readonly description: unknown
  readonly labels: readonly string[]
}

interface Comment {
  readonly issue: string
  readonly body: unknown
}

export const secrets: Readonly<Record<string, string>> = { JIRA_TOKEN: 'jira-token-1' }
const known = new Set(['project', 'issuetype', 'summary', 'description', 'labels', 'customfield_10010'])
/** By status what it leads to, with the id of the transition. */
const workflow: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'To Do': { '11': 'Done', '12': 'Archived' },
  Done: { '21': 'To Do' },
  Archived: {},
}

export class JiraFake extends FakeServer {
  readonly issues = new Documents<Issue>(() => this.nowMs())
  readonly comments = new Documents<Comment>(() => this.nowMs())
  readonly statuses = new Map<string, string>()

  settings(): Readonly<Record<string, unknown>> {
    return {
      url: this.url,
      auth: { user: 'weir@acme.example', api_token: { variable: 'JIRA_TOKEN' } },
      issue: {
        ...{ project: 'BILL', labels: ['weir'], fields: { customfield_10010: 'billing' } },
        ...{ settled: 'Done', reopened: 'To Do' },
      },
    }
  }

  connector(given: object = {}): Promise<Connector> {
    const { nowMs } = this
    return openConnector(jiraKind, this.settings(), { secrets, nowMs, rate: {}, ...given })
  }

  async effects(): Promise<readonly string[]> {
    return [...this.issues.keys().map(exception => `${exception}-1`), ...this.comments.keys()]
  }

  booked(): readonly BookedDocument[] {
    return this.issues.keys().map(key => ({ key: `${key}-1`, lines: [] }))
  }

  protected routes(app: FastifyInstance): void {
    const expected = `Basic ${Buffer.from(`weir@acme.example:${secrets['JIRA_TOKEN']}`).toString('base64')}`
    app.addHook('preHandler', async ({ url, headers }, reply) => {
      if (url.startsWith('/_fake/') || headers.authorization === expected) return undefined
      return this.answer(reply, this.wording('credentials_refused'))
    })
    const issue = '/rest/api/3/issue/:id'
    app.get('/rest/api/3/myself', (_, reply) => this.answer(reply, { status: 200, body: {} }))
    app.post('/rest/api/3/search/jql', ({ body }, reply) => this.#search(String(body), reply))
    app.post('/rest/api/3/issue', (request, reply) => this.#create(request, reply))
    app.get<{ Params: { id: string } }>(`${issue}/comment`, ({ params, query }, reply) =>
      this.#list(params.id, query as Record<string, string>, reply),
    )
    app.post<{ Params: { id: string } }>(`${issue}/comment`, (request, reply) =>
      this.#comment(request, request.params.id, reply),
    )
    app.get<{ Params: { id: string } }>(`${issue}/transitions`, ({ params }, reply) => {
      const to = Object.entries(workflow[this.#status(params.id)] ?? {})
      const transitions = to.map(([id, name]) => ({ id, name: `to ${name}`, to: { name } }))
      return this.answer(reply, { status: 200, body: { transitions } })
    })
    app.post<{ Params: { id: string } }>(`${issue}/transitions`, (request, reply) => {
      const { transition } = JSON.parse(String(request.body)) as {
        readonly transition: { readonly id: string }
      }
      const to = workflow[this.#status(request.params.id)]?.[transition.id]
      if (to === undefined)
        return this.answer(reply, refused({ transition: 'It is not valid for this issue.' }))
      this.statuses.set(request.params.id, to)
      return this.answer(reply, { status: 204 })
    })
  }

  protected wording(fault: Fault, words?: string): FakeAnswer {
    switch (fault) {
      case '429_without':
        return { status: 429, body: { errorMessages: ['Rate limit exceeded.'] } }
      case '429_with_retry_after':
        return { ...this.wording('429_without'), headers: { 'retry-after': '60' } }
      case 'outage':
        return { status: 503, body: 'down for maintenance' }
      case 'credentials_refused':
      case 'token_expired':
        return { status: 401, body: 'Client must be authenticated to access this resource.' }
      case 'closed_period':
        return refused({ summary: words ?? 'A validator of the workflow says no.' })
      default:
        return { status: 500, body: { errorMessages: ['Internal server error'] } }
    }
  }

  #search(text: string, reply: FastifyReply): FastifyReply {
    const { jql } = JSON.parse(text) as { readonly jql: string }
    const read = /^project = "(\w+)" AND labels = "(\S+)" ORDER BY created ASC$/.exec(jql)
    if (read === null) return this.answer(reply, refused({ jql: `Error in the JQL Query: ${jql}` }))
    const [, project, label = ''] = read
    const found = this.issues
      .visible()
      .filter(({ document }) => document.project.key === project && document.labels.includes(label))
    const issues = found.map(({ id, document: { labels } }) => ({
      ...{ id, key: `BILL-${id}`, fields: { labels, status: { name: this.#status(id) } } },
    }))
    return this.answer(reply, { status: 200, body: { issues, isLast: true } })
  }

  #create(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const { fields } = JSON.parse(String(request.body)) as { readonly fields: Issue }
    const exception = fields.labels.find(label => label.startsWith('weir-exc_'))?.slice(5) ?? ''
    return this.take(request, reply, {
      keys: [`${exception}-1`],
      judge: () => judged(fields),
      commit: atMs => {
        const { id }: StoredDocument<Issue> = this.issues.add(exception, fields, atMs)
        return { status: 201, body: { id, key: `BILL-${id}`, self: `${this.url}/rest/api/3/issue/${id}` } }
      },
    })
  }

  #comment(request: FastifyRequest, issue: string, reply: FastifyReply): Promise<unknown> {
    const { body } = JSON.parse(String(request.body)) as { readonly body: unknown }
    const key = /\[(exc_[^\]]*)\]/.exec(JSON.stringify(body))?.[1] ?? 'x'
    return this.take(request, reply, {
      keys: [key],
      judge: () => (isDocument(body) ? undefined : refused({ comment: 'Comment body is not valid!' })),
      commit: atMs => {
        this.comments.add(key, { issue, body }, atMs)
        return { status: 201, body: { id: '1' } }
      },
    })
  }

  #list(issue: string, { startAt, maxResults }: Record<string, string>, reply: FastifyReply): FastifyReply {
    const all = this.comments.visible().filter(one => one.document.issue === issue)
    const from = Number(startAt)
    const comments = all.slice(from, from + Number(maxResults)).map(one => ({ body: one.document.body }))
    return this.answer(reply, { status: 200, body: { startAt: from, total: all.length, comments } })
  }

  #status(id: string): string {
    return this.statuses.get(id) ?? 'To Do'
  }
}

function judged(fields: Issue): FakeAnswer | undefined {
  const unknown = Object.keys(fields).find(name => !known.has(name))
  if (unknown !== undefined)
    return refused({
      [unknown]: `Field '${unknown}' cannot be set. It is not on the appropriate screen, or unknown.`,
    })
  if (fields.project.key !== 'BILL') return refused({ project: 'valid project is required' })
  if (fields.summary.length > 255 || fields.summary.includes('\n'))
    return refused({ summary: 'Summary is invalid.' })
  return isDocument(fields.description)
    ? undefined
    : refused({ description: 'Operation value must be a document' })
}

function isDocument(value: unknown): boolean {
  const { type, version, content } = value as { type?: unknown; version?: unknown; content?: unknown }
  return type === 'doc' && version === 1 && Array.isArray(content) && content.length > 0
}

function refused(errors: Readonly<Record<string, string>>): FakeAnswer {
  return { status: 400, body: { errorMessages: [], errors } }
}

export async function startFake(port: number): Promise<StartedFake> {
  const fake = await new JiraFake({ lateMs: 1_000 }).start(port)
  return { fake, connection: allAllowed(jiraKind, fake.settings()), secrets }
}
