// What a kind of source shows of itself to the conformance suite: requests as its vendor sends them, in each of the ways that
// the checks are about.

import type { Arrival, ArrivalDraft, FetchWhat, SourceKind, WebhookRequest } from '../source-kind.js'

export interface Sample {
  readonly name: string
  readonly body: string
  /** What the vendor's id of it is, where that stands in no body. */
  readonly id?: string
}

export interface SourceSamples {
  readonly kind: SourceKind
  /** The settings of a source, as in the configuration, without its name, kind and secrets. */
  readonly settings?: Readonly<Record<string, unknown>>
  readonly mapping?: string
  /** Where the files are that the mapping names. */
  readonly folder?: string
  /** Two that are valid at once, and one that is not. */
  readonly secrets: readonly [string, string]
  readonly otherSecret: string
  /** Our ids by kind of object and theirs, as `customer cus_1`. */
  readonly identities: ReadonlyMap<string, string>
  /**
   * Of a kind whose events are made of what it reads or is told on a stream: the arrivals of such a sample; undefined for one that
   * comes by the door.
   */
  drafts?(sample: Sample): readonly ArrivalDraft[] | undefined
  /** With `drafts`, what comes by the door; empty where nothing does. */
  readonly signed?: readonly Sample[]
  /** A request as the vendor would send it. */
  request(sample: Sample, secret: string, atMs: number): WebhookRequest
  /** The request without its proof. */
  withoutProof(request: WebhookRequest): WebhookRequest
  /** Of a kind that may sign or log in: this one logs in. */
  readonly logsIn?: true
  /** The object that an arrival names, as the source would be asked for it; undefined: it has none. */
  read?(what: FetchWhat, arrival: Arrival): ArrivalDraft | undefined
  /** A login has no age. */
  readonly hasNoAge?: true
  /** Each gives at least one event. */
  readonly good: readonly [Sample, ...Sample[]]
  /** States of one subscription, the oldest first; each tells it whole. */
  readonly states: readonly [Sample, Sample, ...Sample[]]
  readonly unknownType: Sample
  /** A good one in which something is missing that its events need. */
  readonly missingField: Sample
  /** One in the form of another version of the vendor's API, beside the usual one: both say the same. */
  readonly versions?: readonly (readonly [Sample, Sample])[]
  /** Makes a good body of about so many bytes. */
  bodyOf(bytes: number): Sample
}
