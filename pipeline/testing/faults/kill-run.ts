// Sends a month of traffic through a Weir that is killed all the time: the producer's side, the killer's
// side, and how each waits for the other, so that events flow around every kill.

import { setTimeout as sleep } from 'node:timers/promises'
import type { SupervisedWeir } from '../../../bench/measure/supervised-weir.js'
import { formatInstantMs } from '../../../schemas/time.js'
import type { ReconcileReport } from '../../reconcile/report.js'
import { Killer } from './killer.js'
import type { Month } from './month.js'
import { eventsPerRequest, Producer } from './producer.js'

export interface KillRunOptions {
  readonly seed: string
  /**
   * Rounds (one kill of each process): while usage flows, while stragglers and the backlog drain, while bills
   * are made.
   */
  readonly rounds: { readonly usage: number; readonly drain: number; readonly billing: number }
}

export interface KillRun {
  readonly producer: Producer
  readonly killer: Killer
  readonly report: ReconcileReport
  readonly seconds: { readonly sent: number; readonly drained: number; readonly billed: number }
}

const requestsInFlight = 4
/** A kill comes at most this long after the recovery from the last one. */
const beforeKillMs = 1_200
const beforeKillInDrainMs = 400

export async function killRun(weir: SupervisedWeir, month: Month, options: KillRunOptions): Promise<KillRun> {
  const { rounds, seed } = options
  const producer = new Producer(weir)
  const killer = new Killer(weir, seed)
  const startedAt = performance.now()
  const since = (): number => (performance.now() - startedAt) / 1000
  await weir.ready()
  await producer.send(month.opening, 1)
  await Promise.all([sendUsage(producer, killer, month, rounds.usage), killInRounds(killer, rounds.usage)])
  const sent = since()
  const straggling = producer.send(month.stragglers, 1)
  for (let round = 0; round < rounds.drain; round += 1) await killer.round(beforeKillInDrainMs)
  await straggling
  await settled(weir)
  const drained = since()
  const billing = bill(weir, month.scenario.untilMs)
  for (let round = 0; round < rounds.billing; round += 1) await killer.round(beforeKillInDrainMs)
  await billing
  const report = await settled(weir)
  return { producer, killer, report, seconds: { sent, drained, billed: since() } }
}

async function killInRounds(killer: Killer, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) await killer.round(beforeKillMs)
}

/**
 * Usage is released in step with the kills; amendments are sent when a third of the usage is acknowledged.
 */
async function sendUsage(producer: Producer, killer: Killer, month: Month, rounds: number): Promise<void> {
  const kills = rounds * 3
  const requests = Math.ceil(month.usage.length / eventsPerRequest)
  const first = producer.acknowledged
  const released = (): number => (requests * (killer.kills.length + 1)) / (kills + 1)
  let begun = 0
  const inStep = async (): Promise<void> => {
    begun += 1
    const mine = begun
    while (mine > released()) await sleep(10)
  }
  const usage = producer.send(month.usage, requestsInFlight, inStep)
  while (producer.acknowledged - first < month.usage.length / 3) await Promise.race([usage, sleep(10)])
  await Promise.all([usage, producer.send(month.amendments, 1)])
}

/** Runs `weir reconcile` once nothing lags. */
export async function settled(weir: SupervisedWeir): Promise<ReconcileReport> {
  for (;;) {
    const { stdout } = await weir.run('reconcile', '--json')
    const report = stdout === '' ? undefined : (JSON.parse(stdout) as ReconcileReport)
    if (report?.caught_up === true) return report
    await sleep(200)
  }
}

/** Requests one billing run, repeated until it succeeds: the same request is the same run. */
async function bill(weir: SupervisedWeir, cutoffMs: number): Promise<void> {
  const cutoff = formatInstantMs(cutoffMs)
  while ((await weir.run('billing-run', 'create', '--cutoff', cutoff, '--wait', '--json')).code !== 0)
    await sleep(100)
}
