// Plain HTTP to a ClickHouse server, for tests that look at what the client libraries hide: single headers, packed
// bodies, clients that go away.

import { type IncomingHttpHeaders, request } from 'node:http'

export interface Question {
  readonly user: string
  readonly password: string
  readonly search?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  /** Default: POST with the statement in the body. */
  readonly method?: string
  readonly body?: Buffer | string
  /** The client goes away when it is aborted. */
  readonly signal?: AbortSignal
}

export interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Every header line as it was sent: name, value, name, value. */
  readonly rawHeaders: readonly string[]
  readonly bytes: Buffer
  readonly text: string
  /** Of the exception, or 0. */
  readonly code: number
}

/** `sql` is in the body, or in the address if there is another body or none. */
export function ask(url: string, sql: string, question: Question): Promise<Reply> {
  const { method = 'POST', user, password } = question
  const address = new URL(url)
  for (const [name, value] of Object.entries(question.search ?? {})) address.searchParams.set(name, value)
  const inAddress = method !== 'POST' || question.body !== undefined
  if (inAddress && sql !== '') address.searchParams.set('query', sql)
  const headers = { 'X-ClickHouse-User': user, 'X-ClickHouse-Key': password, ...question.headers }
  const { signal } = question
  return new Promise<Reply>((resolve, reject) => {
    const sent = request(address, { method, headers, ...(signal && { signal }) }, response => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part)).on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(parts)
        const code = Number(response.headers['x-clickhouse-exception-code'] ?? 0)
        const { statusCode: status = 0, headers: got, rawHeaders } = response
        resolve({ status, headers: got, rawHeaders, bytes, text: bytes.toString(), code })
      })
    })
    sent.on('error', reject).end(inAddress ? question.body : sql)
  })
}
