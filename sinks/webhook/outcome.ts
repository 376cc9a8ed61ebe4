// What a receiver of webhooks means by its answer: any 2xx is a yes; 410 says that nobody wants the messages any more, 404
// that nobody is at this URL. Both are about the URL and not about the record, so they stop the connection.

import type { PutOutcome } from '../connector.js'
import { outcomeOfAnswer } from '../http/outcome.js'
import type { HttpAnswer } from '../http/request.js'

export function outcomeOfWebhook(
  answer: HttpAnswer,
  key: string,
  redact: (text: string) => string,
  nowMs: number,
): PutOutcome {
  if (answer.kind === 'answer' && answer.status === 410) {
    const detail = `the receiver answers 410, it is gone: ${redact(answer.body)}`
    return { kind: 'stopped', code: 'receiver_gone', detail }
  }
  if (answer.kind === 'answer' && answer.status === 404) {
    const detail = `the receiver answers 404, nobody is at this URL: ${redact(answer.body)}`
    return { kind: 'stopped', code: 'receiver_not_found', detail }
  }
  // A receiver of webhooks has no id of its own to tell: ours is the one that both know.
  return outcomeOfAnswer(answer, redact, nowMs) ?? { kind: 'accepted', externalId: key }
}
