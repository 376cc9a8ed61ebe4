// The records of a message of WRITE_BACK for a connection: how a customer stands, or a support case that the connection wants.
// Invariant: a record's id and key follow from the record alone, so each reading gives the same delivery.

import { formatInstantMs } from '../../../schemas/time.js'
import type { ConnectorRecord } from '../../../sinks/connector.js'
import type { FeedMessage } from '../../../sinks/sink.js'
import { caseSchema } from '../../../sinks/write-back/case-record.js'
import { standingSchema } from '../../../sinks/write-back/standing-record.js'
import type { TakenIn } from '../../deliver/feed.js'
import type { WantedExceptions } from '../../feature/open-exceptions.js'
import { jsonOf, malformed } from '../records-of-message.js'

export function standingOfMessage(message: FeedMessage): TakenIn {
  const value = jsonOf(message)
  const parsed = standingSchema.safeParse(value)
  if (!parsed.success) return malformed('customer_standing', message, parsed.error.message)
  const { standing_id: id } = parsed.data
  return { records: [recordOf('customer_standing', id, id, message, value)] }
}

export function casesOf({ codes, owners }: WantedExceptions): (message: FeedMessage) => TakenIn {
  return message => {
    const value = jsonOf(message)
    const parsed = caseSchema.safeParse(value)
    if (!parsed.success) return malformed('support_case', message, parsed.error.message)
    const { exception_id: exception, number, code, owner } = parsed.data
    const isWanted =
      (codes.length === 0 || codes.includes(code)) && (owners.length === 0 || owners.includes(owner))
    if (!isWanted) return { records: [] }
    const id = `${exception}-${number}`
    return { records: [recordOf('support_case', id, id, message, value)] }
  }
}

function recordOf(
  kind: ConnectorRecord['kind'],
  id: string,
  key: string,
  { storedAtMs = 0 }: FeedMessage,
  value: unknown,
): ConnectorRecord {
  return {
    kind,
    id,
    key,
    recordedAt: formatInstantMs(storedAtMs),
    document: value as ConnectorRecord['document'],
  }
}
