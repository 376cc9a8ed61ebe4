// Maps a ClickHouse error to the outcome of the range: `retryable`, or `rejected` until an operator acts.
// Invariant: no error is a success. An insert with an unknown result is retried; its token makes that
// harmless.

import { ClickHouseError } from '@clickhouse/client'
import type { SinkOutcome } from '../sink.js'

/** Errors that may pass by themselves: load, memory, disk, network, coordination, interrupted inserts. */
const passing = new Set([
  '3', // UNEXPECTED_END_OF_FILE: the request was cut
  '23', // CANNOT_READ_FROM_SOCKET
  '24', // CANNOT_WRITE_TO_OSTREAM
  '74', // CANNOT_READ_FROM_FILE_DESCRIPTOR
  '75', // CANNOT_WRITE_TO_FILE_DESCRIPTOR
  '76', // CANNOT_OPEN_FILE
  '95', // CANNOT_READ_FROM_SOCKET
  '159', // TIMEOUT_EXCEEDED
  '164', // READONLY
  '173', // CANNOT_ALLOCATE_MEMORY
  '198', // DNS_ERROR
  '201', // QUOTA_EXCEEDED
  '202', // TOO_MANY_SIMULTANEOUS_QUERIES
  '203', // NO_FREE_CONNECTION
  '209', // SOCKET_TIMEOUT
  '210', // NETWORK_ERROR
  '225', // NO_ZOOKEEPER
  '236', // ABORTED
  '241', // MEMORY_LIMIT_EXCEEDED
  '242', // TABLE_IS_READ_ONLY
  '243', // NOT_ENOUGH_SPACE
  '244', // UNEXPECTED_ZOOKEEPER_ERROR
  '252', // TOO_MANY_PARTS
  '279', // ALL_CONNECTION_TRIES_FAILED
  '285', // TOO_FEW_LIVE_REPLICAS
  '286', // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  '319', // UNKNOWN_STATUS_OF_INSERT
  '341', // UNFINISHED
  '373', // SESSION_IS_LOCKED
  '394', // QUERY_WAS_CANCELLED
  '425', // SYSTEM_ERROR
  '439', // CANNOT_SCHEDULE_TASK
  '473', // DEADLOCK_AVOIDED
  '499', // S3_ERROR
  '573', // EPOLL_ERROR
  '668', // INVALID_STATE
  '735', // QUERY_WAS_CANCELLED_BY_CLIENT
  '745', // SERVER_OVERLOADED
  '999', // KEEPER_EXCEPTION
  '1000', // POCO_EXCEPTION
  '1001', // STD_EXCEPTION
  '1002', // UNKNOWN_EXCEPTION
])

/** Errors that say that a column cannot hold the value of a record. */
const ofTheRecord = new Set([
  '6', // CANNOT_PARSE_TEXT
  '27', // CANNOT_PARSE_INPUT_ASSERTION_FAILED
  '38', // CANNOT_PARSE_DATE
  '41', // CANNOT_PARSE_DATETIME
  '69', // ARGUMENT_OUT_OF_BOUND
  '70', // CANNOT_CONVERT_TYPE
  '72', // CANNOT_PARSE_NUMBER
  '321', // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
  '349', // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
  '407', // DECIMAL_OVERFLOW
  '469', // VIOLATED_CONSTRAINT
])

/** Whether ClickHouse refused the content of the rows, so that it would accept other rows. */
export function isOfTheRecord(error: unknown): boolean {
  return error instanceof ClickHouseError && ofTheRecord.has(error.code)
}

/** Codes are `clickhouse_<code>` as ClickHouse numbers them, or `connection` when no answer came from ClickHouse. */
export function outcomeOfError(error: unknown): Exclude<SinkOutcome, { kind: 'ok' }> {
  if (error instanceof ClickHouseError) {
    const kind = passing.has(error.code) ? 'retryable' : 'rejected'
    const detail = `${error.type ?? 'error'}: ${error.message}`.slice(0, 2_000)
    return { kind, code: `clickhouse_${error.code}`, detail }
  }
  return { kind: 'retryable', code: 'connection', detail: connectionDetail(error) }
}

/** Node leaves the message of an AggregateError empty; its parts have the messages. */
function connectionDetail(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(String).join('; ')
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
