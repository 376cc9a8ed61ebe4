// The part of Salesforce's Pub/Sub API that we call, as a descriptor of protobuf: names and numbers as in its published
// pubsub_api.proto (testing/pubsub_api.proto), from which the test's org is made.

const field = (type: string, id: number) => ({ type, id })
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id })
const rpc = (requestType: string, responseType: string) => ({ requestType, responseType })

const messages = {
  ReplayPreset: { values: { LATEST: 0, EARLIEST: 1, CUSTOM: 2 } },
  EventHeader: { fields: { key: field('string', 1), value: field('bytes', 2) } },
  ProducerEvent: {
    fields: {
      id: field('string', 1),
      schema_id: field('string', 2),
      payload: field('bytes', 3),
      headers: repeated('EventHeader', 4),
    },
  },
  ConsumerEvent: { fields: { event: field('ProducerEvent', 1), replay_id: field('bytes', 2) } },
  FetchRequest: {
    fields: {
      topic_name: field('string', 1),
      replay_preset: field('ReplayPreset', 2),
      replay_id: field('bytes', 3),
      num_requested: field('int32', 4),
      auth_refresh: field('string', 5),
    },
  },
  FetchResponse: {
    fields: {
      events: repeated('ConsumerEvent', 1),
      latest_replay_id: field('bytes', 2),
      rpc_id: field('string', 3),
      pending_num_requested: field('int32', 4),
    },
  },
  SchemaRequest: { fields: { schema_id: field('string', 1) } },
  SchemaInfo: {
    fields: { schema_json: field('string', 1), schema_id: field('string', 2), rpc_id: field('string', 3) },
  },
}

export const pubsubShapes = {
  nested: {
    eventbus: {
      nested: {
        v1: {
          nested: {
            ...messages,
            PubSub: {
              methods: {
                Subscribe: {
                  ...rpc('FetchRequest', 'FetchResponse'),
                  requestStream: true,
                  responseStream: true,
                },
                GetSchema: rpc('SchemaRequest', 'SchemaInfo'),
              },
            },
          },
        },
      },
    },
  },
}

export interface FetchRequest {
  readonly topic_name: string
  readonly replay_preset?: 'LATEST' | 'EARLIEST' | 'CUSTOM'
  readonly replay_id?: Buffer
  readonly num_requested: number
}

export interface FetchResponse {
  readonly events: readonly {
    readonly event: { readonly id: string; readonly schema_id: string; readonly payload: Buffer } | null
    readonly replay_id: Buffer
  }[]
  readonly latest_replay_id: Buffer
  readonly pending_num_requested: number
}

export interface SchemaInfo {
  readonly schema_json: string
  readonly schema_id: string
}
