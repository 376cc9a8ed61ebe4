// The route behind `weir reconcile --connection`. A long list at a slow receiver takes minutes, more than a request may: the
// comparison runs on between the requests of its caller, who gets its progress until it is done.
// Invariant: a comparison that nobody asks for any more ends by itself.

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { Problem } from '../gateway/problem.js'
import { type ApiRoute, needs, readQuery } from '../gateway/route.js'
import type { WantedDates } from './receiver.js'
import {
  type ReceiverProgress,
  type ReceiverReport,
  receiverProgressSchema,
  receiverReportExample,
  receiverReportSchema,
} from './receiver-report.js'
import { reconciliationTag } from './routes.js'

export type ReconcileReceiver = (
  connection: string,
  dates: WantedDates,
  progress: ReceiverProgress,
  signal: AbortSignal,
) => Promise<ReceiverReport | undefined>

interface Running {
  readonly outcome: Promise<Outcome>
  readonly progress: ReceiverProgress
  readonly controller: AbortController
  askedAtMs: number
}

type Outcome = { readonly report: ReceiverReport | undefined } | { readonly error: unknown }

const mostRunning = 4
/** How long a request waits for the end. */
const waitMs = 10_000
/** Without a request for so long, nobody waits any more. */
const forgottenMs = 60_000

const params = z.object({
  name: z
    .string()
    .describe('The name of a connection')
    .meta({ examples: ['books'] }),
})
const query = z.object({
  from: z.iso.date().optional().describe('The first accounting date. Default: that of our first record'),
  until: z.iso.date().optional().describe('The last one, included. Default: that of our last record'),
})

export function receiverRoute(reconcile: ReconcileReceiver): ApiRoute {
  const running = new Map<string, Running>()
  return {
    method: 'GET',
    path: '/v1/reconciliation/connections/{name}',
    access: needs('read'),
    operationId: 'getReceiverReconciliation',
    tag: reconciliationTag,
    summary: 'Hold a receiver against our deliveries',
    description:
      'Asks the receiver of a connection for what it has of ours in these accounting dates, and names what is missing there, ' +
      'extra, there twice, or different, with the ids of both sides. What is not settled is told apart. It only reads. While ' +
      'it is not done the answer is 202 with its progress: the same request again waits on.',
    params,
    query,
    responses: {
      200: {
        description: 'The report, faults or not.',
        schema: receiverReportSchema,
        example: receiverReportExample,
      },
      202: {
        description: 'Not done yet.',
        schema: receiverProgressSchema,
        example: { records: 120_000, documents: 40_000 },
      },
    },
    problems: ['not_found', 'receiver_unreadable', 'too_many_reconciliations'],
    async handle(call) {
      const name = call.params['name'] ?? ''
      const dates = readQuery(call, query)
      const key = JSON.stringify([name, dates.from ?? '', dates.until ?? ''])
      const one = running.get(key) ?? begin(reconcile, running, key, name, dates)
      one.askedAtMs = Date.now()
      const outcome = await Promise.race([one.outcome, sleep(waitMs, undefined, { ref: false })])
      if (outcome === undefined) return { status: 202, body: { ...one.progress } }
      running.delete(key)
      if ('error' in outcome)
        throw new Problem('receiver_unreadable', String(outcome.error).slice(0, 1_000), {
          cause: outcome.error,
        })
      if (outcome.report === undefined) throw new Problem('not_found', `There is no connection ${name}.`)
      return { status: 200, body: outcome.report }
    },
  }
}

function begin(
  reconcile: ReconcileReceiver,
  running: Map<string, Running>,
  key: string,
  name: string,
  dates: WantedDates,
): Running {
  if (running.size >= mostRunning)
    throw new Problem(
      'too_many_reconciliations',
      `${mostRunning} reconciliations with receivers are running.`,
    )
  const controller = new AbortController()
  const progress = { records: 0, documents: 0 }
  const outcome = reconcile(name, dates, progress, controller.signal).then(
    report => ({ report }),
    (error: unknown) => ({ error }),
  )
  const one: Running = { outcome, progress, controller, askedAtMs: Date.now() }
  running.set(key, one)
  const watch = setInterval(() => {
    if (running.get(key) !== one) clearInterval(watch)
    else if (Date.now() - one.askedAtMs > forgottenMs) {
      running.delete(key)
      controller.abort(new Error('nobody waits for it any more'))
    }
  }, waitMs).unref()
  return one
}
