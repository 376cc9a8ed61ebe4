// How commands talk to a running Weir: one HTTP request, and trouble told in one sentence.

import { type CliIo, exitCodes } from './io.js'

export interface Gateway {
  readonly url: string
  readonly apiKey: string | undefined
}

/** Runs what talks to the gateway; trouble is one sentence and exit code 1. */
export async function answer(io: CliIo, work: () => Promise<void>): Promise<number> {
  try {
    await work()
    return exitCodes.ok
  } catch (error) {
    const { message, cause } = error as Error
    io.stderr.write(`${message}${cause instanceof Error ? `: ${cause.message}` : ''}\n`)
    return exitCodes.failed
  }
}

/** One request; anything but success throws one sentence with the code of the problem. */
export async function callGateway<T>(gateway: Gateway, path: string, init: RequestInit = {}): Promise<T> {
  const authorization = gateway.apiKey === undefined ? {} : { authorization: `Bearer ${gateway.apiKey}` }
  let response: Response
  try {
    response = await fetch(`${gateway.url}${path}`, {
      ...init,
      headers: { ...init.headers, ...authorization },
    })
  } catch (cause) {
    throw new Error(
      `No Weir answers at ${gateway.url}. Start one with \`weir start\`, or name it with --url`,
      { cause },
    )
  }
  const text = await response.text()
  if (response.ok) return JSON.parse(text) as T
  const problem = problemOf(text)
  throw new Error(`${response.status} ${problem ?? text}`)
}

function problemOf(text: string): string | undefined {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string }
    return code === undefined ? undefined : `${code}: ${detail ?? ''}`
  } catch {
    return undefined
  }
}
