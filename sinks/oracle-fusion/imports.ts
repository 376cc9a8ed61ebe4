// One import of Oracle: the request that starts it, the status of its ESS request, and the report that names the rejected rows.

import { setTimeout as pause } from 'node:timers/promises'
import { strFromU8, unzipSync } from 'fflate'
import { z } from 'zod'
import type { PutOutcome } from '../connector.js'
import { type Api, type ApiAnswer, jsonOf, strangeAnswer } from '../http/api.js'
import type { OracleFusionSettings } from './config.js'
import { outcomeOfAnswer } from './outcome.js'
import { importFileOf, type JournalRows } from './records.js'

const path = '/fscmRestApi/resources/11.13.18.05/erpintegrations'

const text = z.union([z.string(), z.number()]).transform(String)
const startedSchema = z.object({ ReqstId: text })
const statusSchema = z.object({ items: z.array(z.object({ RequestStatus: z.string() })).min(1) })
const reportSchema = z.object({ items: z.array(z.object({ DocumentContent: z.string().nullish() })) })

/** ESS requests that end otherwise did not do their work; all else is still under way. */
const ended = new Set([
  'SUCCEEDED',
  'WARNING',
  'ERROR',
  'CANCELED',
  'CANCELLED',
  'EXPIRED',
  'FINISHED',
  'ERROR_MANUAL_RECOVERY',
])

type Failed = { readonly kind: 'failed'; readonly outcome: PutOutcome }
export type Started = { readonly kind: 'started'; readonly requestId: string } | Failed
export type Status = { readonly kind: 'running' | 'ended'; readonly status: string } | Failed

export async function startImport(
  api: Api,
  settings: OracleFusionSettings,
  journals: readonly JournalRows[],
  groupId: string,
  signal: AbortSignal,
): Promise<Started> {
  const { data_access_set: dataAccessSet, source, ledger_id: ledgerId } = settings
  const answer = await api.send(
    {
      method: 'POST',
      path,
      body: {
        json: {
          OperationName: 'importBulkData',
          DocumentContent: importFileOf(journals, groupId),
          ContentType: 'zip',
          FileName: `weir_${groupId}.zip`,
          DocumentAccount: 'fin$/generalLedger$/import$',
          JobName: '/oracle/apps/ess/financials/generalLedger/programs/common,JournalImportLauncher',
          // Data access set, source, ledger, group, errors to suspense, summary, descriptive flexfields.
          ParameterList: [dataAccessSet, source, ledgerId, groupId, 'N', 'N', 'N'].join(','),
          CallbackURL: '#NULL',
          NotificationCode: '10',
        },
      },
    },
    signal,
  )
  if (answer.kind === 'failed') return answer
  if (answer.status >= 300) return { kind: 'failed', outcome: outcomeOfAnswer(answer) }
  const started = startedSchema.safeParse(jsonOf(answer))
  if (!started.success || !/^[1-9]\d*$/.test(started.data.ReqstId))
    return { kind: 'failed', outcome: strangeAnswer(answer) }
  return { kind: 'started', requestId: started.data.ReqstId }
}

export async function statusOf(api: Api, requestId: string, signal: AbortSignal): Promise<Status> {
  const answer = await ask(api, `ESSJobStatusRF;requestId=${requestId}`, signal)
  if (answer.kind === 'failed') return answer
  const parsed = answer.status < 300 ? statusSchema.safeParse(jsonOf(answer)) : undefined
  if (parsed?.success !== true) return { kind: 'failed', outcome: strangeAnswer(answer) }
  const status = parsed.data.items[0]!.RequestStatus.toUpperCase()
  return { kind: ended.has(status) ? 'ended' : 'running', status }
}

/** The last status that was seen until `signal` fired. */
export async function waitForEnd(
  api: Api,
  requestId: string,
  pollMs: number,
  signal: AbortSignal,
): Promise<Status> {
  for (;;) {
    const status = await statusOf(api, requestId, signal)
    if (status.kind === 'ended' || (status.kind === 'failed' && status.outcome.kind === 'stopped'))
      return status
    const isOver = await pause(pollMs, false, { signal }).catch(() => true)
    if (isOver) return status
  }
}

/** The texts of logs and reports of an import and its child requests; empty where Oracle gives none. */
export async function reportOf(api: Api, requestId: string, signal: AbortSignal): Promise<string> {
  const answer = await ask(api, `ESSJobExecutionDetailsRF;requestId=${requestId},fileType=ALL`, signal)
  if (answer.kind === 'failed' || answer.status >= 300) return ''
  const parsed = reportSchema.safeParse(jsonOf(answer))
  if (!parsed.success) return ''
  return parsed.data.items.map(one => textsIn(one.DocumentContent ?? '')).join('\n')
}

function ask(api: Api, finder: string, signal: AbortSignal): Promise<ApiAnswer | Failed> {
  return api.send({ method: 'GET', path, query: { finder } }, signal)
}

function textsIn(base64: string): string {
  try {
    return Object.values(unzipSync(Buffer.from(base64, 'base64')))
      .map(bytes => strFromU8(bytes))
      .join('\n')
  } catch {
    return '' // no zip: rows are then not named, and the sink halves the group
  }
}
