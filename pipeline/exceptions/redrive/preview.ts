// What a redrive is about, before it begins: how many exceptions, of which groups and customers, and examples of events
// before and after.

import { z } from 'zod'
import type { ExceptionDesk } from '../exception-desk.js'
import type { ExceptionFilter } from '../exception-filter.js'
import { groupKeyText } from '../group-rules.js'
import { MoneySums, moneySchema } from '../money/money-sums.js'
import { byCause, grouped, groupOf } from './group-of.js'
import type { Mender } from './mend-event.js'
import { mendAll } from './redrive-job.js'
import type { Transform } from './transform.js'

export const previewSchema = z
  .object({
    count: z.int().nonnegative().describe('Exceptions that the filter takes'),
    groups: z.array(
      z.object({
        group: z.string().describe('Its key: give it as `group` of a filter'),
        count: z.int().nonnegative(),
        customers: z.int().nonnegative(),
        money: moneySchema,
      }),
    ),
    examples: z.array(
      z.object({
        exception_id: z.string(),
        group: z.string(),
        before: z.unknown().describe('The event as it came; null: it is left alone'),
        after: z.unknown().describe('As it would be sent; null: it is left alone'),
        left: z.object({ code: z.string(), detail: z.string() }).nullable().describe('Why it is left alone'),
      }),
    ),
  })
  .meta({ id: 'RedrivePreview' })
export type RedrivePreview = z.infer<typeof previewSchema>

/** Exceptions that are looked at for examples, and examples of each group. */
const lookedAt = 100
const examplesOfGroup = 2
const mostGroups = 200

export async function previewOf(
  desk: ExceptionDesk,
  filter: ExceptionFilter,
  transform: Transform,
  mender: Mender,
): Promise<RedrivePreview> {
  const [groups, money] = await Promise.all([
    desk.groups(filter, byCause, Date.now()),
    desk.moneyByGroup(filter, byCause),
  ])
  const page = await desk.page({ filter, limit: lookedAt, withPayload: true })
  const { redriven, left } = await mendAll(desk, page, transform, mender)
  const examples = [
    ...redriven.map(({ exception, before, after }) => ({ exception, before, after, left: null })),
    ...left.map(({ exception, code, detail }) => ({
      exception,
      before: null,
      after: null,
      left: { code, detail },
    })),
  ].map(({ exception, ...rest }) => ({
    exception_id: exception.exceptionId,
    group: groupOf(exception),
    ...rest,
  }))
  const ofGroup = grouped(examples, one => `${one.left?.code ?? ''} ${one.group}`)
  return {
    count: groups.reduce((sum, group) => sum + group.count, 0),
    groups: groups.slice(0, mostGroups).map(({ values, count, customers }) => {
      const group = groupKeyText({ rule: byCause, values })
      return { group, count, customers, money: (money.get(group) ?? new MoneySums()).view(count) }
    }),
    examples: [...ofGroup.values()].flatMap(all => all.slice(0, examplesOfGroup)),
  }
}
