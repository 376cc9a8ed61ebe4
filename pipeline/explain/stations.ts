// The stations of an event's way, in order, each with its time, its place in the ledger, the reason, and where it leads.
// Pure: from what was read to what is told.

import type { ChargeLine } from './charge-rows.js'
import type { EventExplanation, ExplainedCharge, Station } from './explanation.js'
import { wordsOfRecognition } from './recognition.js'
import type { Verdict } from './verdict.js'

type Facts = Omit<EventExplanation, 'stations'> & { readonly verdict: Verdict }

export function stationsOf(facts: Facts): Station[] {
  return [
    received(facts),
    stored(facts),
    decoded(facts),
    deduplicated(facts),
    attached(facts),
    rated(facts),
    charged(facts.charges),
    ...papers(facts.charges),
  ]
}

const notReached = (station: Station['station'], reason: string): Station => ({
  station,
  state: 'not_reached',
  reason,
  links: {},
})

function received({ verdict, attempts, arrival }: Facts): Station {
  const times = attempts.length === 1 ? 'once' : `${attempts.length} times`
  const { kept } = verdict
  return {
    station: 'received',
    state: 'passed',
    ...(kept === undefined ? {} : { at: kept.ingested_at }),
    reason: `${attempts.length === 0 ? 'No message that brought it is known.' : `It came ${times}.`}${madeOf(arrival)}`,
    links: arrival === null ? {} : { source: arrival.source, arrival: arrival.arrival_id },
  }
}

function madeOf(arrival: Facts['arrival']): string {
  return arrival === null
    ? ''
    : ` It was made of the arrival ${arrival.arrival_id} of the source ${arrival.source}.`
}

function stored({ received }: Facts): Station {
  if (received === null) return notReached('stored', 'No message brought it: it is the cause of corrections.')
  const { stream, sequence, held, stored_at, nats_subject } = received
  return {
    station: 'stored',
    state: 'passed',
    ...(stored_at === undefined ? {} : { at: stored_at }),
    reason: held
      ? `Message ${sequence} of ${stream} holds it, on ${nats_subject ?? ''}.`
      : `Message ${sequence} of ${stream} brought it; retention has removed the message.`,
    links: { stream, sequence: String(sequence) },
  }
}

function decoded({ received, verdict }: Facts): Station {
  const { kept } = verdict
  const at = kept === undefined ? {} : { partition: kept.partition, ledger_sequence: kept.ledger_sequence }
  if (received?.held !== true) return { station: 'decoded', state: 'passed', ...at, reason: '', links: {} }
  const { position, events_in_message: of, content_type: type, message_bytes: bytes } = received
  const form = type === undefined ? '' : ` of ${type}`
  const where =
    position === undefined
      ? 'It could not be found in the message'
      : `Event ${position} of ${of} in a message`
  return { station: 'decoded', state: 'passed', ...at, reason: `${where}${form}, ${bytes} bytes.`, links: {} }
}

function deduplicated({ attempts }: Facts): Station {
  const first = attempts.find(one => one.verdict === 'kept')
  const twins = attempts.filter(one => one.verdict === 'duplicate')
  const conflicts = attempts.filter(one => one.verdict === 'conflicting')
  const parts = [
    first === undefined ? 'No equal event came before it.' : 'It was the first with this source and id.',
    ...(twins.length > 0 ? [`${twins.length} equal twin${twins.length > 1 ? 's' : ''} left out.`] : []),
    ...conflicts.map(
      one =>
        `A twin with other content (${one.content_hash ?? ''} against ${one.kept_content_hash ?? ''}) was refused.`,
    ),
  ]
  const links = Object.fromEntries(
    [...twins, ...conflicts].map((one, n) => [`twin_${n + 1}`, `${one.input_stream} ${one.input_sequence}`]),
  )
  return {
    station: 'deduplicated',
    state: 'passed',
    ...placeOf(first ?? attempts[0]),
    reason: parts.join(' '),
    links,
  }
}

function placeOf(one: { readonly partition: number; readonly ledger_sequence: number } | undefined) {
  return one === undefined ? {} : { partition: one.partition, ledger_sequence: one.ledger_sequence }
}

function attached({ verdict, disposition, code, detail, versions, charges, history }: Facts): Station {
  const last = history.findLast(one => one.what === disposition && one.event_count > 0)
  const at = last === undefined ? {} : { at: last.at, ...placeOf(last) }
  switch (disposition) {
    case 'rated': {
      const chosen = versions.filter(one => one.chosen)
      if (charges.length === 0 && verdict.isRetracted)
        return notReached('attached', 'It was taken back before it was rated.')
      const names = chosen.map(
        one => `${one.subscription_id} version ${one.sequence} (${one.plan} ${one.plan_version}): ${one.why}`,
      )
      const links = Object.fromEntries(chosen.map(one => [one.subscription_id, `version ${one.sequence}`]))
      return { station: 'attached', state: 'passed', ...firstUse(charges), reason: names.join(' '), links }
    }
    case 'parked':
      return { station: 'attached', state: 'waiting', ...at, reason: waitingReason(code, detail), links: {} }
    case 'applied':
      return { station: 'attached', state: 'passed', ...at, reason: 'It was applied.', links: {} }
    case 'unmetered':
      return { station: 'attached', state: 'skipped', ...at, reason: unmeteredReason(code), links: {} }
    case 'dead_lettered':
      return { station: 'attached', state: 'refused', ...at, reason: `${code}: ${detail}`, links: {} }
    default:
      return notReached('attached', '')
  }
}

function firstUse(charges: readonly ExplainedCharge[]) {
  const [first] = charges
  return first === undefined
    ? {}
    : { at: first.rated_at, partition: first.partition, ledger_sequence: first.ledger_sequence }
}

function waitingReason(code: string, detail: string): string {
  if (code === 'awaiting_subscription') return 'It waits for a subscription that prices it at its time.'
  if (code === 'awaiting_history') return "It waits until its customer's usage has been rated again."
  return detail === '' ? `It waits: ${code}.` : `It waits: ${code}: ${detail}`
}

function unmeteredReason(code: string): string {
  return code === 'no_meter'
    ? 'No meter reads events of its type.'
    : 'The filters of all meters turn it away.'
}

function rated({
  charges,
  disposition,
  is_retracted: isRetracted,
  targeted_by: about,
  caused,
}: Facts): Station {
  const isBeside = charges.every(one => one.meter === '')
  const back = about.map(one => `${one.type} ${one.id} of ${one.source}`).join(', ')
  if (charges.length === 0 || isBeside) {
    if (caused !== null)
      return {
        station: 'rated',
        state: 'passed',
        reason: `It caused ${caused.rows} corrections of other events' charges.`,
        links: {},
      }
    const why = isRetracted ? `Taken back by ${back}.` : 'Nothing of it is rated.'
    return notReached('rated', disposition === 'applied' ? 'It is no usage.' : why)
  }
  const amounts = charges.map(one =>
    `${one.meter}${one.price === '' ? ' (no price wants it)' : ` on ${one.price}`}: ${one.quantity} for ${one.amount} ${one.currency}`.trim(),
  )
  const retracted = isRetracted ? `Taken back${back === '' ? '' : ` by ${back}`}. ` : ''
  return {
    station: 'rated',
    state: isRetracted ? 'taken_back' : 'passed',
    ...firstUse(charges),
    reason: `${retracted}${amounts.join('; ')}.${charges.map(corrected).join('')}`,
    links: {},
  }
}

/** What was corrected since on the whole charge, whose rows stay as they were. */
function corrected({ charge_id: id, corrections, currency }: ExplainedCharge): string {
  const [first] = corrections
  if (first === undefined) return ''
  const amounts = corrections.map(one => `${one.amount} ${currency}`).join(', ')
  return ` Its charge ${id} was rated again as a whole: ${amounts}, because of ${first.cause_id} of ${first.cause_source}.`
}

function charged(charges: readonly ExplainedCharge[]): Station {
  const priced = charges.filter(one => one.charge_id !== '')
  if (priced.length === 0) return notReached('charged', 'It is on no charge.')
  const parts = priced.map(
    one =>
      `${one.charge_id} (${one.price}): ${one.charge_amount} ${one.currency} of ${one.charge_events} events, ${one.status}`,
  )
  return {
    station: 'charged',
    state: 'passed',
    ...firstUse(priced),
    reason: `${parts.join('; ')}.`,
    links: Object.fromEntries(
      priced.map((one, n) => [`charge_${n + 1}`, `/v1/charges/${one.charge_id}/events`]),
    ),
  }
}

/** billed, posted, delivered. */
function papers(charges: readonly ExplainedCharge[]): Station[] {
  const lines = charges.flatMap(one => one.lines)
  const billed = lines.filter(line => line.billing_run_id !== '')
  if (billed.length === 0) {
    const why = 'No billing run has billed its charge.'
    return [notReached('billed', why), notReached('posted', why), notReached('delivered', why)]
  }
  return [billedStation(billed), postedStation(billed), deliveredStation(billed)]
}

function billedStation(lines: readonly ChargeLine[]): Station {
  const parts = lines.map(line => {
    const batch = line.batches.length === 1 ? `, batch ${line.batches[0]!.batch_id}` : ''
    const kind = line.corrects === '' ? '' : ` (${line.kind} of ${line.corrects})`
    return `Run ${line.billing_run_id}${batch}: ${line.amount_rounded} ${line.currency}${kind}`
  })
  const first = lines[0]!
  return {
    station: 'billed',
    state: 'passed',
    at: first.recorded_at,
    ...placeOf(first),
    reason: `${parts.join('; ')}.`,
    links: Object.fromEntries(
      lines.map((line, n) => [`run_${n + 1}`, `/v1/billing-runs/${line.billing_run_id}`]),
    ),
  }
}

function postedStation(lines: readonly ChargeLine[]): Station {
  const journals = lines.flatMap(line => (line.journal === undefined ? [] : [line.journal]))
  const [first] = journals
  if (first === undefined) return notReached('posted', 'No journal entry was made of it, or not yet.')
  const parts = journals.map(
    one =>
      `Entry ${one.journal_id} of ${one.accounting_date}: ${one.amount} from ${one.debit_account} to ${one.credit_account}`,
  )
  const recognized = lines.flatMap(line => (line.recognition === undefined ? [] : [line.recognition]))
  const releases = recognized.flatMap(one => one.months.flatMap(({ release }) => release ?? []))
  return {
    station: 'posted',
    state: 'passed',
    at: first.posted_at,
    reason: [`${parts.join('; ')}.`, ...recognized.map(wordsOfRecognition)].join(' '),
    links: Object.fromEntries([
      ...journals.map((one, n) => [`journal_${n + 1}`, one.journal_id]),
      ...releases.map((one, n) => [`release_${n + 1}`, one.journal_id]),
    ]),
  }
}

function deliveredStation(lines: readonly ChargeLine[]): Station {
  const deliveries = lines.flatMap(line => [
    ...line.deliveries,
    ...(line.recognition?.months ?? []).flatMap(({ release }) => release?.deliveries ?? []),
  ])
  const [first] = deliveries
  if (first === undefined) return notReached('delivered', 'No connection has taken it.')
  const parts = deliveries.map(one => {
    const known = one.external_id === '' ? '' : `, there known as ${one.external_id}`
    const why = one.code === '' ? '' : ` (${one.code}${one.detail === '' ? '' : `: ${one.detail}`})`
    return `${one.connection}: ${one.record_kind} ${one.record_id} is ${one.state}${known}${why}`
  })
  const isDone = deliveries.every(one => one.state === 'written' || one.state === 'posted')
  const isRefused = deliveries.some(one => one.state === 'refused')
  return {
    station: 'delivered',
    state: isDone ? 'passed' : isRefused ? 'refused' : 'waiting',
    at: first.changed_at,
    reason: `${parts.join('; ')}.`,
    links: Object.fromEntries(deliveries.map(one => [one.delivery_id, one.external_id])),
  }
}
