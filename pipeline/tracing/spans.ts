// The spans from an event to its insert, over the API of OpenTelemetry alone: whoever wants them registers an SDK, and
// without one every call here does nothing.
//
//   request ──▶ message (traceparent in its headers) ──▶ commit (traceparent in LEDGER) ──▶ range of a feed
//
// A message holds events of many requests, a commit many messages, a range many commits, so a span is linked to those
// before it and is not their child. Invariants:
// 1. One span per request, message, commit and range; none per event.
// 2. At most `mostLinks` links; what is left out is counted in the attribute `weir.links_left_out`.

import {
  type Attributes,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from '@opentelemetry/api'

/** What a later span can be linked to. */
export type SpanLink = SpanContext

export interface OpenSpan {
  /** Undefined when nobody records it. */
  readonly link: SpanLink | undefined
  /** The headers that carry it to the next stage; empty when nobody records it. */
  readonly headers: Readonly<Record<string, string>>
  /** Adds links. `read` is called only when somebody records the span. */
  linkTo(read: () => Iterable<SpanLink | undefined>): void
  /** With a detail it has failed. */
  end(attributes?: Attributes, failure?: string): void
}

export type SpanPurpose = 'serve' | 'produce' | 'consume'

const kinds: Readonly<Record<SpanPurpose, SpanKind>> = {
  serve: SpanKind.SERVER,
  produce: SpanKind.PRODUCER,
  consume: SpanKind.CONSUMER,
}

const mostLinks = 128
const tracer = trace.getTracer('weir')
const noHeaders: Readonly<Record<string, string>> = {}

/** A header of a carrier by its name in lower case. */
export type ReadHeader = (name: string) => string | undefined

const getter: TextMapGetter<ReadHeader> = { get: (read, name) => read(name), keys: () => [] }

/** Begins a span; its parent is what the headers name, if they are given and name one. */
export function beginSpan(
  name: string,
  purpose: SpanPurpose,
  attributes: Attributes,
  parent?: ReadHeader,
): OpenSpan {
  const from = parent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, parent, getter)
  const span = tracer.startSpan(name, { kind: kinds[purpose], attributes }, from)
  return span.isRecording() ? recorded(span) : unrecorded
}

/** What the headers of a message link to. */
export function linkIn(read: ReadHeader): SpanLink | undefined {
  return trace.getSpanContext(propagation.extract(ROOT_CONTEXT, read, getter))
}

const unrecorded: OpenSpan = {
  link: undefined,
  headers: noHeaders,
  linkTo() {},
  end() {},
}

function recorded(span: Span): OpenSpan {
  const headers: Record<string, string> = {}
  propagation.inject(trace.setSpan(context.active(), span), headers)
  return {
    link: span.spanContext(),
    headers,
    linkTo(read) {
      const { links, leftOut } = distinctLinks(read())
      span.addLinks(links)
      if (leftOut > 0) span.setAttribute('weir.links_left_out', leftOut)
    },
    end(attributes = {}, failure) {
      span.setAttributes(attributes)
      if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure })
      span.end()
    },
  }
}

function distinctLinks(all: Iterable<SpanLink | undefined>): { links: Link[]; leftOut: number } {
  const found = new Map<string, Link>()
  for (const one of all) if (one !== undefined) found.set(`${one.traceId}-${one.spanId}`, { context: one })
  const links = [...found.values()]
  return { links: links.slice(0, mostLinks), leftOut: Math.max(0, links.length - mostLinks) }
}
