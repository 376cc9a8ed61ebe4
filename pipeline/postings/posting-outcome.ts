// What a sink of the books answers when its work fails: a calendar that cannot be read is for people to mend, all else is the broker's.

import type { SinkOutcome } from '../../sinks/sink.js'
import { brokerUnavailable } from '../broker/broker-outcome.js'
import { CalendarsError } from './calendars-file.js'

export async function postingOutcome(work: () => Promise<SinkOutcome>): Promise<SinkOutcome> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof CalendarsError)
      return { kind: 'rejected', code: 'invalid_accounting_calendar', detail: error.message }
    return brokerUnavailable(error)
  }
}
