/** The gRPC server's metrics, under the names and codes that the community's dashboards and alerts look for. */
import type { Instruments } from './instruments.ts';

export type GrpcCall = {
  /** With its package: `google.devtools.remoteworkers.v1test2.Bots`. */
  readonly service: string;
  readonly method: string;
  readonly type: 'unary' | 'server_stream';
};

/** To be told only of methods that the server has: names that a client invented would be series without end. */
export type GrpcCalls = {
  readonly started: (call: GrpcCall) => void;
  readonly received: (call: GrpcCall) => void;
  readonly sent: (call: GrpcCall) => void;
  /** @param end.code of google.rpc.Code. */
  readonly handled: (call: GrpcCall, end: { readonly code: number; readonly seconds: number }) => void;
};

/** As grpc-go spells them, which is what the common rules match; by number. */
// prettier-ignore
const codes: readonly string[] = [
  'OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists', 'PermissionDenied',
  'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented', 'Internal', 'Unavailable',
  'DataLoss', 'Unauthenticated',
];

export const createGrpcCalls = (m: Instruments): GrpcCalls => ({
  started: (call) => {
    m.grpc_server_started_total.inc(labelsOf(call));
  },
  received: (call) => {
    m.grpc_server_msg_received_total.inc(labelsOf(call));
  },
  sent: (call) => {
    m.grpc_server_msg_sent_total.inc(labelsOf(call));
  },
  handled: (call, { code, seconds }) => {
    const labels = labelsOf(call);
    m.grpc_server_handled_total.inc({ ...labels, grpc_code: codes[code] ?? 'Unknown' });
    m.grpc_server_handling_seconds.observe(labels, seconds);
  },
});

const labelsOf = ({ type, service, method }: GrpcCall) => ({
  grpc_type: type,
  grpc_service: service,
  grpc_method: method,
});
