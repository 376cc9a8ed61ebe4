// Weir as those around it see it: its HTTP interface, asked until it answers, since it may be killed at any moment; and its tables.

import { setTimeout as sleep } from 'node:timers/promises'
import type { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'

const againMs = 100

export class Api {
  readonly #weir: SupervisedWeir
  readonly #most: AbortSignal

  /** `most`: when all waiting ends. */
  constructor(weir: SupervisedWeir, most: AbortSignal) {
    this.#weir = weir
    this.#most = most
  }

  /** Sends until it is taken, as everybody does who is told no, or nothing. */
  async post<T>(path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<T> {
    return this.#ask<T>(path, { method: 'POST', body, headers })
  }

  get<T>(path: string): Promise<T> {
    return this.#ask<T>(path, { headers: {} })
  }

  /** What is there, as analysts read it. */
  async rows<T>(sql: string): Promise<readonly T[]> {
    const { url, user, password, database } = this.#weir.clickhouseAs('analyst')
    const settings = { database, default_format: 'JSONEachRow', output_format_json_quote_decimals: '1' }
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    const response = await fetch(`${url}/?${new URLSearchParams(settings)}`, {
      ...{ method: 'POST', body: sql, headers: { authorization } },
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${sql}: ${text}`)
    return text
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as T)
  }

  /** Waits for what is going to be so; nothing of Weir tells that a moment has come. */
  async until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    for (;;) {
      const is = await Promise.resolve()
        .then(holds)
        .catch(() => false) // it is down, or just coming back
      if (is) return
      if (this.#most.aborted) throw new Error(`${what} has not come\n${this.#weir.log(20)}`)
      await sleep(againMs)
    }
  }

  async #ask<T>(path: string, { headers, ...init }: RequestInit & { readonly headers: object }): Promise<T> {
    for (;;) {
      const answer = await this.#once(path, { ...init, headers: { ...headers } })
      if (answer !== undefined) return answer as T
      if (this.#most.aborted) throw new Error(`${path} is not answered\n${this.#weir.log(20)}`)
      await sleep(againMs)
    }
  }

  async #once(path: string, { headers, ...init }: RequestInit & { headers: object }): Promise<unknown> {
    const authorization = `Bearer ${this.#weir.instance?.api_key}`
    const all = { 'content-type': 'application/json', authorization, ...headers }
    let response: Response
    let text: string
    try {
      response = await fetch(`${this.#weir.url}${path}`, { ...init, headers: all })
      text = await response.text()
    } catch {
      return undefined // nobody there
    }
    if (response.status === 202 && init.method === undefined) return undefined // not yet
    if (response.ok) return JSON.parse(text)
    if (response.status >= 500 || response.status === 429) return undefined
    throw new Error(`${path}: ${response.status} ${text}`)
  }
}
