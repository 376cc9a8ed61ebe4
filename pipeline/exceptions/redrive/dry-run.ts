// The dry run of a redrive: what the real core would make of the mended events, on a copy of each partition's state. One
// step is one partition. Nothing is published, and no state but the copy changes.
// Invariants:
// 1. An event is tried in the partition of the customer whose it would be, and counted there alone.
// 2. What cannot be mended is counted once, with the first partition.

import { z } from 'zod'
import { partitionOf } from '../../../schemas/identifiers.js'
import { stringifyJson } from '../../../schemas/json/json-text.js'
import { formatScaled, parseDecimal, type Scaled } from '../../../schemas/money/decimal.js'
import { JobFailure, type JobKind, type StepOutcome } from '../../jobs/job-kind.js'
import type { JobRecord } from '../../jobs/job-record.js'
import { ShadowRefusal } from '../../shadow/shadow-refusal.js'
import type { ShadowCopy, Shadows } from '../../shadow/shadows.js'
import type { EventJson } from './apply-transform.js'
import { grouped, groupOf } from './group-of.js'
import type { Redriven } from './mend-event.js'
import { mendAll, menderOf, type RedriveParts } from './redrive-job.js'
import { type RedriveWork, workOf } from './redrive-request.js'

const count = z.int().nonnegative()
const counts = z.record(z.string(), count)

/** What would become of the exceptions of a group. */
const groupSchema = z.object({
  exceptions: count,
  rated: count,
  waiting: count,
  without_rows: count,
  /** By code. */
  failed: counts,
  /** What cannot be mended, by code. */
  left: counts,
  /** By how much charges would move, by currency; decimals. */
  amounts: z.record(z.string(), z.string()),
})
export type DryRunGroup = z.infer<typeof groupSchema>

const positionSchema = z.object({ partition: count, groups: z.record(z.string(), groupSchema) }).nullable()

const pageSize = 500
/** More groups than these are told as one. */
const mostGroups = 500

export interface DryRunParts extends RedriveParts {
  readonly shadows: Shadows
}

export function dryRunStep(parts: DryRunParts): JobKind['step'] {
  return async (job, signal): Promise<StepOutcome> => {
    const work = workOf(job.request, parts.desk.rules.groups)
    const { partition, groups } = positionSchema.parse(job.position) ?? { partition: 0, groups: {} }
    const tally = new Tally(groups)
    const tried = await onCopy(parts, partition, signal, async copy => {
      let events = 0
      for await (const page of parts.desk.all({ filter: work.filter, limit: pageSize, withPayload: true })) {
        signal.throwIfAborted()
        events += await tryPage({ parts, job, work, partition, copy, tally }, page)
      }
      return events
    })
    const isLast = partition + 1 >= parts.partitions
    return {
      kind: isLast ? 'done' : 'goes_on',
      position: { partition: partition + 1, groups: tally.groups },
      done: job.progress.done + tried,
      counts: tally.totals(),
    }
  }
}

export function dryRunReport({ position }: JobRecord): {
  readonly groups: Readonly<Record<string, DryRunGroup>>
} {
  return { groups: positionSchema.parse(position)?.groups ?? {} }
}

async function onCopy<T>(
  { shadows }: DryRunParts,
  partition: number,
  signal: AbortSignal,
  work: (copy: ShadowCopy) => Promise<T>,
): Promise<T> {
  try {
    return await shadows.copyOf(partition, signal, work)
  } catch (error) {
    if (error instanceof ShadowRefusal) throw new JobFailure(error.code, error.message)
    throw error
  }
}

interface Trial {
  readonly parts: DryRunParts
  readonly job: JobRecord
  readonly work: RedriveWork
  readonly partition: number
  readonly copy: ShadowCopy
  readonly tally: Tally
}

/** Answers how many events were tried here. */
async function tryPage(trial: Trial, page: Parameters<typeof mendAll>[1]): Promise<number> {
  const { parts, job, work, partition, tally } = trial
  const { redriven, left } = await mendAll(parts.desk, page, work.transform, menderOf(job))
  if (partition === 0) for (const { exception, code } of left) tally.left(groupOf(exception), code) // invariant 2
  const here = redriven.filter(one => partitionOf(one.customerId, parts.partitions) === partition)
  const byGroup = grouped(here, ({ exception }) => groupOf(exception))
  for (const [group, ofGroup] of byGroup) await tryGroup(trial, group, ofGroup)
  return here.length + (partition === 0 ? left.length : 0)
}

async function tryGroup(
  { copy, tally, parts, partition }: Trial,
  group: string,
  ofGroup: readonly Redriven[],
) {
  const nowMs = Date.now()
  const lines = ofGroup.map(one => `${stringifyJson(amendmentHere(one, partition, parts.partitions))}\n`)
  const bytes = Buffer.from(lines.join(''))
  await copy.feed({ nowMs, lifecycle: [{ seq: 1, arrivedAtMs: nowMs, bytes }] })
  const asked = ofGroup.map(({ exception }) => ({ source: exception.eventSource, id: exception.eventId }))
  const { fates, charges } = await copy.outcome(asked)
  for (const fate of fates) {
    switch (fate.kind) {
      case 'rated':
      case 'waiting':
        tally.add(group, fate.kind)
        break
      case 'dead_lettered':
        tally.failed(group, fate.code)
        break
      case 'taken_back':
      case 'no_rows':
        tally.add(group, 'without_rows')
        break
      default:
        fate satisfies never
    }
  }
  for (const { currency, before, after } of charges) tally.moved(group, currency, after - before)
}

/** As it is, or as one that was sent for its customer at once, where the event comes from another partition. */
function amendmentHere(
  { amendment, sentFor, customerId }: Redriven,
  partition: number,
  partitions: number,
): EventJson {
  if (partitionOf(sentFor, partitions) === partition) return amendment
  const { subject: _moved, ...data } = amendment['data'] as EventJson
  return { ...amendment, subject: customerId, data }
}

class Tally {
  readonly groups: Record<string, DryRunGroup>

  constructor(groups: Readonly<Record<string, DryRunGroup>>) {
    this.groups = structuredClone(groups) as Record<string, DryRunGroup>
  }

  add(group: string, fate: 'rated' | 'waiting' | 'without_rows'): void {
    const of = this.#of(group)
    of.exceptions += 1
    of[fate] += 1
  }

  failed(group: string, code: string): void {
    const of = this.#of(group)
    of.exceptions += 1
    of.failed[code] = (of.failed[code] ?? 0) + 1
  }

  left(group: string, code: string): void {
    const of = this.#of(group)
    of.exceptions += 1
    of.left[code] = (of.left[code] ?? 0) + 1
  }

  moved(group: string, currency: string, by: Scaled): void {
    const of = this.#of(group)
    const before = parseDecimal(of.amounts[currency] ?? '0')
    of.amounts[currency] = formatScaled(((before.kind === 'ok' ? before.value : 0n) + by) as Scaled)
  }

  totals(): Record<string, number> {
    const totals = { would_be_rated: 0, would_wait: 0, would_have_no_rows: 0, would_fail: 0, left: 0 }
    for (const of of Object.values(this.groups)) {
      totals.would_be_rated += of.rated
      totals.would_wait += of.waiting
      totals.would_have_no_rows += of.without_rows
      totals.would_fail += sum(of.failed)
      totals.left += sum(of.left)
    }
    return totals
  }

  #of(group: string): DryRunGroup {
    const known = this.groups[group]
    if (known !== undefined) return known
    const name = Object.keys(this.groups).length < mostGroups ? group : 'others'
    this.groups[name] ??= {
      ...{ exceptions: 0, rated: 0, waiting: 0, without_rows: 0 },
      ...{ failed: {}, left: {}, amounts: {} },
    }
    return this.groups[name]
  }
}

function sum(counted: Readonly<Record<string, number>>): number {
  return Object.values(counted).reduce((all, one) => all + one, 0)
}
