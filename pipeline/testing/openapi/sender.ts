// Sends seeded requests to a running Weir over plain HTTP, as they stand, with the keys of their callers; and remembers
// the ids that answers show, for later requests.

import { Agent, request } from 'node:http'
import type { HttpAnswer } from './answers.js'
import type { PathPart, SeededRequest } from './requests.js'

/** Where the id of a path parameter is found in answers. */
const idsOf: Readonly<Record<string, readonly string[]>> = {
  id: ['billing_run_id', 'key_id'],
  batch_id: ['batch_id'],
}

export class Sender {
  readonly #url: URL
  readonly #tokens: ReadonlyMap<string, string>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 })
  readonly #seen = new Map<string, string[]>()

  /** `tokens`: a key for each scope. */
  constructor(url: string, tokens: ReadonlyMap<string, string>) {
    this.#url = new URL(url)
    this.#tokens = tokens
  }

  async send(seeded: SeededRequest): Promise<HttpAnswer> {
    const answer = await this.#ask(seeded)
    if (seeded.method === 'POST' && answer.status < 300 && answer.body !== '')
      this.#remember(seeded, answer.body)
    return answer
  }

  close(): void {
    this.#agent.destroy()
  }

  #ask({ method, path, headers, body, caller, operation }: SeededRequest): Promise<HttpAnswer> {
    const authorization =
      caller.kind === 'own'
        ? `Bearer ${this.#tokens.get(caller.scope)}`
        : caller.kind === 'wrong'
          ? caller.authorization
          : undefined
    const target = path.map(part => this.#textOf(part, operation?.path ?? '')).join('')
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          ...{ host: this.#url.hostname, port: this.#url.port, agent: this.#agent, method, path: target },
          headers: {
            ...headers,
            ...(authorization === undefined ? {} : { authorization }),
            'content-length': String(body?.length ?? 0),
          },
        },
        response => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part)).on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(parts).toString(),
            }),
          )
        },
      )
      sent.on('error', reject).end(body)
    })
  }

  #textOf(part: PathPart, path: string): string {
    if (part.kind === 'text') return part.text
    const seen = this.#seen.get(poolOf(part.name, path)) ?? []
    return seen[part.pick % Math.max(1, seen.length)] ?? part.otherwise
  }

  #remember({ operation }: SeededRequest, body: string): void {
    const value = JSON.parse(body) as Readonly<Record<string, unknown>>
    for (const name of Object.values(idsOf).flat()) {
      const id = value[name]
      if (typeof id !== 'string') continue
      const pool = poolOf(name === 'batch_id' ? 'batch_id' : 'id', operation?.path ?? '')
      this.#seen.set(pool, [...(this.#seen.get(pool) ?? []), id])
    }
  }
}

/** Ids of one collection, such as `/v1/keys`. */
function poolOf(name: string, path: string): string {
  return `${path.split('/', 3).join('/')} ${name}`
}
