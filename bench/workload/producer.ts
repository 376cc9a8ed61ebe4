// The producers' process as a benchmark sees it. One is forked per benchmark and stopped with it.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { NatsLogin } from '../../deploy/embedded/nats-server.js'
import { builtFile } from '../../schemas/package-root.js'
import type { Expectation, TrafficOptions } from './traffic.js'

export type ProducerOrder =
  | { readonly kind: 'prepare'; readonly traffic: TrafficOptions }
  /** As fast as the broker acknowledges, or at a steady rate. */
  | { readonly kind: 'publish'; readonly nats: NatsLogin; readonly eventsPerSecond: number | undefined }

export interface Published {
  readonly startedAtMs: number
  /** Until the last acknowledgement. */
  readonly seconds: number
}

export type ProducerReply =
  | { readonly kind: 'prepared'; readonly expected: Expectation }
  | ({ readonly kind: 'published' } & Published)
  | { readonly kind: 'failed'; readonly detail: string }

export class Producer {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(fileURLToPath(builtFile('bench/workload/producer-child.js')), [], {
      execArgv: ['--max-old-space-size=8192'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Makes the traffic; it can be published any number of times. */
  async prepare(traffic: TrafficOptions): Promise<Expectation> {
    const reply = await this.#ask({ kind: 'prepare', traffic })
    if (reply.kind !== 'prepared') throw new Error(`the producer answered ${reply.kind}`)
    return reply.expected
  }

  async publish(nats: NatsLogin, eventsPerSecond?: number): Promise<Published> {
    const reply = await this.#ask({ kind: 'publish', nats, eventsPerSecond })
    if (reply.kind !== 'published') throw new Error(`the producer answered ${reply.kind}`)
    return reply
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL') // it holds no data that is needed
    await exited
  }

  async #ask(order: ProducerOrder): Promise<Exclude<ProducerReply, { kind: 'failed' }>> {
    const done = new AbortController()
    const { signal } = done
    try {
      const answered = once(this.#child, 'message', { signal }) as Promise<[ProducerReply]>
      const ended = once(this.#child, 'exit', { signal }).then((): [ProducerReply] => [
        { kind: 'failed', detail: 'its process ended' },
      ])
      ended.catch(() => undefined) // aborted below
      this.#child.send(order)
      const [reply] = await Promise.race([answered, ended])
      if (reply.kind === 'failed') throw new Error(`the producer failed: ${reply.detail}`)
      return reply
    } finally {
      done.abort()
    }
  }
}
