// Every code that the API refuses a request with: its status, what it means, and the headers that come with it. The
// OpenAPI document tells them from here.
// Invariants: a code never changes its name or status; no problem is sent whose code is not here.

export interface ProblemMeaning {
  readonly status: number
  /** One or two sentences for whoever gets it: what is wrong, and what to do where that is not plain. */
  readonly meaning: string
  readonly headers?: readonly ProblemHeader[]
}

/** Headers that a problem carries, and what each says. */
export const problemHeaders = {
  'retry-after': 'After how many seconds the request may be sent again',
  'www-authenticate':
    'RFC 6750: the scheme, what is wrong with the key, and the scopes that would be sufficient',
  accept: 'The content types that are taken',
  'accept-encoding': 'The content encodings that are taken',
  allow: 'The methods that are taken here',
} as const

export type ProblemHeader = keyof typeof problemHeaders

export const problemCodes = {
  // the request as HTTP
  bad_request: {
    status: 400,
    meaning: 'The request is not HTTP/1.1, or its path is not percent-encoded UTF-8.',
  },
  client_gone: { status: 400, meaning: 'The client closed the connection before its body had come.' },
  request_timeout: { status: 408, meaning: 'The request, or its body, did not come in time.' },
  uri_too_long: { status: 414, meaning: 'A part of the path is longer than any id.' },
  headers_too_large: { status: 431, meaning: 'The headers are larger than 16 kB in all.' },
  not_found: { status: 404, meaning: 'There is no such resource; the detail says which.' },
  method_not_allowed: {
    status: 405,
    meaning: 'The path exists, but not with this method.',
    headers: ['allow'],
  },
  // the key
  missing_api_key: {
    status: 401,
    meaning: 'The request has no API key. Send Authorization: Bearer weir_….',
    headers: ['www-authenticate'],
  },
  invalid_token: {
    status: 401,
    meaning: 'The API key is not known, was revoked or has expired.',
    headers: ['www-authenticate'],
  },
  insufficient_scope: {
    status: 403,
    meaning: 'The API key lacks the scope that this call needs.',
    headers: ['www-authenticate'],
  },
  // the body and the parameters
  invalid_request: {
    status: 400,
    meaning: 'The body, a parameter or a header is not as described; `errors` names each fault.',
  },
  schema_incompatible: {
    status: 409,
    meaning:
      'The schema does not go with the version before it, by the rule of the configuration; `errors` names what breaks.',
  },
  malformed_json: { status: 400, meaning: 'The body is not JSON.' },
  malformed_arrow: { status: 400, meaning: 'The body is not an Arrow IPC stream of usage events.' },
  malformed_events: {
    status: 400,
    meaning: 'Events of the request are malformed, and none was taken; `errors` names each fault.',
  },
  malformed_encoding: { status: 400, meaning: 'The body is not what its Content-Encoding says.' },
  body_too_large: { status: 413, meaning: 'The body is larger than is taken at a time; send it in parts.' },
  too_many_events: { status: 413, meaning: 'The request has more events than are taken at a time.' },
  unsupported_content_type: {
    status: 415,
    meaning: 'The Content-Type is none that is taken here.',
    headers: ['accept'],
  },
  unsupported_content_encoding: {
    status: 415,
    meaning: 'The Content-Encoding is none that is taken.',
    headers: ['accept-encoding'],
  },
  // what the request asks for
  unknown_event: {
    status: 404,
    meaning:
      'No row of ClickHouse names the event. What is still on its way is told once it is there; the detail says how far ClickHouse is behind.',
  },
  unknown_charge: { status: 404, meaning: 'Neither rated usage nor a sealed line names the charge.' },
  invalid_cursor: { status: 400, meaning: 'The cursor is none that a page of this list gave.' },
  too_many_exceptions: {
    status: 422,
    meaning: 'The filter takes more exceptions than are answered at once; narrow it, or do it in parts.',
  },
  exceptions_changed: {
    status: 409,
    meaning: 'The filter takes another number of exceptions than was expected; look at them again.',
  },
  conflict_changed: {
    status: 409,
    meaning: 'The two systems do not disagree in this way any more; look at the conflict again.',
  },
  unknown_entity: { status: 404, meaning: 'No customer and no subscription has or had this entity.' },
  idempotency_key_reused: {
    status: 409,
    meaning: 'The Idempotency-Key belongs to another request: use another key for another request.',
  },
  preview: { status: 409, meaning: 'The run is a preview: there is nothing to acknowledge.' },
  key_not_in_force: { status: 409, meaning: 'The API key was revoked or has expired: make a new one.' },
  last_admin_key: {
    status: 409,
    meaning: 'It is the last API key with the scope admin: without it nobody could make keys.',
  },
  job_not_in_state: { status: 409, meaning: 'The job is in a state in which this cannot be done.' },
  charges_billed: {
    status: 409,
    meaning:
      'Events of the redrive are on charges that were billed, so that it cannot be undone; `errors` names them.',
  },
  approval_needs_keys: {
    status: 409,
    meaning: 'Without an API key nobody can be told from anybody: make keys, and set http.auth to keys.',
  },
  own_request: {
    status: 409,
    meaning: 'Whoever asked for something cannot approve it: a second person has to.',
  },
  identity_taken: {
    status: 409,
    meaning:
      'The id of that system stands for another of ours; the detail says which. Name it in instead_of to move it, or merge the two.',
  },
  approval_decided: {
    status: 409,
    meaning: 'The approval was decided before; the detail says how and by whom.',
  },
  preview_expired: { status: 410, meaning: 'The batches of a preview are kept for a day, and are gone.' },
  batch_purged: { status: 410, meaning: 'The stream BILLING no longer holds the batch.' },
  not_over_yet: {
    status: 422,
    meaning: 'The day, or the last day of the period, is not over in the time zone of the entity.',
  },
  unknown_period: {
    status: 404,
    meaning: 'The accounting calendar of the entity has no period of this name; the detail says the nearest.',
  },
  invalid_accounting_calendar: {
    status: 409,
    meaning:
      'The file of the accounting calendars cannot be read or has faults; the detail has each with its line. Nothing is posted, released or closed until it is mended.',
  },
  period_not_open: { status: 409, meaning: 'The period is closed already.' },
  period_not_closed: { status: 409, meaning: 'The period is open already.' },
  period_not_settled: {
    status: 409,
    meaning: 'Something that belongs to the period is not settled; `blockers` lists it.',
  },
  cutoff_in_future: {
    status: 422,
    meaning: 'The cutoff lies in the future: events up to it may still come.',
  },
  conflicting_catalog: {
    status: 409,
    meaning: 'A published meter or version of a plan has other content: publishing would refuse it too.',
  },
  invalid_catalog: { status: 422, meaning: 'The catalog is not valid; the detail names the first fault.' },
  input_purged: {
    status: 409,
    meaning: 'The streams no longer hold the input that would have to be read again.',
  },
  shadow_busy: {
    status: 503,
    meaning: 'Other copies of partitions are being worked on. Ask again.',
    headers: ['retry-after'],
  },
  shadow_too_large: {
    status: 422,
    meaning: 'It is more than is tried or told at once; ask for less.',
  },
  meter_not_in_history: {
    status: 422,
    meaning:
      'History has no readings of a meter that is new or changed, and the streams do not hold the input.',
  },
  // what is held
  frozen: {
    status: 409,
    meaning:
      'Weir is frozen, a freeze window is open, or an incident is: no billing run is taken. Previews are.',
  },
  receiver_unreadable: {
    status: 502,
    meaning:
      'What a receiver has, or what it was given, could not be read to the end; the detail says why. Nothing was compared.',
  },
  too_many_reconciliations: {
    status: 429,
    meaning:
      'As many reconciliations with receivers as may run at the same time are running. Ask again later.',
  },
  not_a_connection: { status: 409, meaning: 'The sink is a feed; only connections are let out in stages.' },
  invalid_window: { status: 422, meaning: 'The freeze window is never open, or its time zone is not known.' },
  allow_list_missing: {
    status: 422,
    meaning: 'A controlled connection lets out whose records are on its allow-list, and it has none.',
  },
  window_is_configured: {
    status: 409,
    meaning: 'The freeze window is in the configuration, and is changed there.',
  },
  too_many_windows: {
    status: 409,
    meaning: 'There are as many freeze windows as are kept; remove one first.',
  },
  delivery_settled: {
    status: 409,
    meaning: 'The receiver has the record, or somebody decided that it never leaves: it is not sent again.',
  },
  delivery_not_released: {
    status: 409,
    meaning: 'It does not wait for another record; the detail says what holds it.',
  },
  delivery_not_unclear: {
    status: 409,
    meaning:
      'It is known whether the receiver has it, or somebody has just said so: there is nothing to settle.',
  },
  delivery_discarded: {
    status: 409,
    meaning: 'Its exception was discarded: undo that first (`weir exceptions undo`).',
  },
  connection_removed: {
    status: 409,
    meaning: 'Its connection is not in the configuration any more, so nothing of it is sent.',
  },
  too_many_deliveries: {
    status: 422,
    meaning: 'The filter takes more deliveries than are tried again at once; narrow it.',
  },
  deliveries_changed: {
    status: 409,
    meaning: 'The filter takes another number of deliveries than the request expects.',
  },
  incident_open: { status: 409, meaning: 'An incident is open; finish it before another one is opened.' },
  incident_step_not_next: { status: 409, meaning: 'It is the turn of another step; the detail says which.' },
  incident_differs: {
    status: 409,
    meaning: 'The reconciliation found differences: nothing is released, unless `force` says so.',
  },
  incident_waits: {
    status: 409,
    meaning: 'What the last step released has not been delivered yet; wait, or say `force`.',
  },
  table_not_rebuilt: {
    status: 422,
    meaning: 'The table is none that can be rebuilt; the detail names those that can.',
  },
  rebuild_under_way: {
    status: 409,
    meaning: 'Another rebuild is under way: wait for it, resume it or cancel it.',
  },
  // not now
  pipeline_behind: {
    status: 429,
    meaning: 'The pipeline is behind; nothing was taken.',
    headers: ['retry-after'],
  },
  too_much_in_flight: {
    status: 429,
    meaning: 'Too many requests or bytes are in flight, of this key or in all; nothing was taken.',
    headers: ['retry-after'],
  },
  usage_not_placed: {
    status: 503,
    meaning: 'Messages of the stream UNPLACED wait for their partition; a billing run would leave them out.',
  },
  pipeline_stopped: {
    status: 503,
    meaning: 'Every partition has stopped; nothing was taken.',
    headers: ['retry-after'],
  },
  partition_stopped: {
    status: 503,
    meaning:
      'The partition of these customers has stopped; nothing of them was taken. Others are not affected.',
    headers: ['retry-after'],
  },
  broker_unavailable: {
    status: 503,
    meaning: 'The broker does not answer. Send the request again: what it has on disk is recognised.',
    headers: ['retry-after'],
  },
  outcome_unknown: {
    status: 503,
    meaning:
      'The broker did not answer: events of the request may be on disk, `maybe_stored` of them, or may get there later. Send the ' +
      'request again with the same ids: what is stored is recognised.',
    headers: ['retry-after'],
  },
  server_unavailable: {
    status: 503,
    meaning: 'The broker or ClickHouse does not answer. Nothing is lost; ask again, and see /readyz.',
    headers: ['retry-after'],
  },
  not_ready: { status: 503, meaning: 'Events are not taken now.', headers: ['retry-after'] },
  draining: { status: 503, meaning: 'Weir is shutting down.', headers: ['retry-after'] },
  // what systems of record send
  not_proven: { status: 401, meaning: 'The request does not prove who sent it; nothing of it is kept.' },
  too_many_arrivals: {
    status: 429,
    meaning: 'More comes of this source than its limits allow; nothing of this request is kept.',
    headers: ['retry-after'],
  },
  source_unavailable: {
    status: 503,
    meaning: 'Weir is read-only or frozen, or has no secret to prove this with; nothing was taken.',
    headers: ['retry-after'],
  },
  arrivals_full: {
    status: 503,
    meaning: 'As much is kept of what sources sent as `arrivals.max_gb` allows.',
    headers: ['retry-after'],
  },
  internal_error: { status: 500, meaning: 'A bug in Weir; its log has the cause.' },
} as const satisfies Readonly<Record<string, ProblemMeaning>>

export type ProblemCode = keyof typeof problemCodes

export function meaningOf(code: ProblemCode): ProblemMeaning {
  return problemCodes[code]
}

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(problemCodes, code)
}
