// The states of the broker with which Weir must not start.

/** A state of the broker with which Weir must not start. `code` is stable. */
export class TopologyError extends Error {
  override readonly name = 'TopologyError'
  readonly code: TopologyErrorCode

  constructor(code: TopologyErrorCode, detail: string) {
    super(detail)
    this.code = code
  }
}

export type TopologyErrorCode =
  | 'partition_count_differs'
  | 'format_differs'
  | 'server_too_old'
  | 'not_a_weir_stream'
  /** The genesis record, a stream or a bucket is gone, or was replaced. */
  | 'genesis_missing'
  | 'stream_missing'
  | 'stream_replaced'
  | 'bucket_missing'
  /** The broker has fewer servers with JetStream than replicas are wanted. */
  | 'replicas_not_possible'
